//! Which machines may be asked. Lists, links and redirects are written by strangers: they do not lead into the network
//! that the program runs in, nor to this machine, whatever a name resolves to.

use std::collections::HashSet;
use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use photo::FailureClass;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::sniff::Refusal;

/// What lets an address be asked all the same.
pub(crate) const WHAT_LETS_IT: &str = "--allow-private, `allow_private = true` in the profile, or `crawl.allow_private` in the recipe lets it be asked";

/// Which machines may be asked.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    allow_private: bool,
    /// Hosts whose private address whoever runs the program wrote down, with the port where that was written.
    named: Vec<(String, Option<u16>)>,
}

impl Reach {
    /// Public addresses, or all.
    pub fn new(allow_private: bool) -> Self {
        Self { allow_private, named: Vec::new() }
    }

    /// And a site's own address, if it says by itself that it is private (`127.0.0.1`, `localhost`): nobody else wrote
    /// it. Of a name that only resolves to such an address, somebody else does.
    #[must_use]
    pub fn and(mut self, own: &Url) -> Self {
        if says_private(own) {
            self.named.push((own.host_str().unwrap_or_default().to_owned(), own.port_or_known_default()));
        }
        self
    }

    /// And a host of the profile, `host` or `host:port`, likewise.
    #[must_use]
    pub fn and_host(mut self, host: &str) -> Self {
        if let Ok(url) = Url::parse(&format!("http://{host}/"))
            && says_private(&url)
        {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let port = url.port_or_known_default().filter(|_| has_port);
            self.named.push((url.host_str().unwrap_or_default().to_owned(), port));
        }
        self
    }

    /// Whether it does not matter which address the host has.
    pub(crate) fn is_open(&self, url: &Url) -> bool {
        let is_named = |(host, port): &(String, Option<u16>)| {
            url.host_str() == Some(host) && port.is_none_or(|port| url.port_or_known_default() == Some(port))
        };
        self.allow_private || self.named.iter().any(is_named)
    }

    /// Refuses an address that says by itself that it is private. What a name resolves to is seen when it is connected
    /// to (see [`PublicOnly`]).
    pub(crate) fn check(&self, url: &Url) -> Result<(), Refusal> {
        if self.is_open(url) || !says_private(url) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        Err((FailureClass::Private, format!("{host} is not on the public internet; {WHAT_LETS_IT}")))
    }
}

fn says_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => !is_public(ip.into()),
        Some(Host::Ipv6(ip)) => !is_public(ip.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// Resolves names to public addresses only. The connection goes to the very addresses that were looked at, so that a
/// name that resolves to something else a moment later gains nothing.
#[derive(Debug)]
pub(crate) struct PublicOnly {
    /// Hosts of proxies, which the user's environment names: they may well stand in the private network.
    proxies: HashSet<String>,
}

impl PublicOnly {
    pub(crate) fn new() -> Self {
        let variables = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
        let proxies = variables.into_iter().filter_map(|name| {
            let text = env::var(name).ok()?;
            let url = Url::parse(&text).ok().filter(Url::has_host);
            let url = url.or_else(|| Url::parse(&format!("http://{text}")).ok())?;
            Some(url.host_str()?.to_owned())
        });
        Self { proxies: proxies.collect() }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_proxy = self.proxies.contains(&name);
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let usable: Vec<SocketAddr> =
                all.iter().copied().filter(|address| is_proxy || is_public(address.ip())).collect();
            match (usable.is_empty(), all.first()) {
                (true, Some(address)) => Err(PrivateAddress::new(name, address.ip()).into()),
                _ => Ok(Box::new(usable.into_iter()) as Addrs),
            }
        })
    }
}

/// A name leads into a private network.
#[derive(Debug, thiserror::Error)]
#[error("{name} has the address {ip}, which is not on the public internet; {WHAT_LETS_IT}")]
pub(crate) struct PrivateAddress {
    name: String,
    ip: IpAddr,
}

impl PrivateAddress {
    pub(crate) fn new(name: impl Into<String>, ip: IpAddr) -> Self {
        Self { name: name.into(), ip }
    }
}

/// Whether an address is one of the public internet's: what the registries of special-purpose addresses (RFC 6890 and
/// its successors) call globally reachable, and no multicast. An address that carries another in it (mapped, NAT64,
/// 6to4) is judged by that.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0 | 10 | 127, ..) => false,             // this network, private, loopback
        (100, 64..=127, _) => false,             // behind a provider's NAT (RFC 6598)
        (169, 254, _) => false,                  // link-local, and clouds' metadata
        (172, 16..=31, _) => false,              // private
        (192, 0, 0 | 2) => false,                // IETF protocol assignments, documentation
        (192, 88, 99) => false,                  // 6to4 relays, deprecated
        (192, 168, _) => false,                  // private
        (198, 18 | 19, _) => false,              // benchmarks
        (198, 51, 100) | (203, 0, 113) => false, // documentation
        (224.., ..) => false,                    // multicast, reserved, broadcast
        _ => true,
    }
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let carried = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] => carried(high, low), // mapped
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carried(high, low), // NAT64
        [0x2002, high, low, ..] => carried(high, low),            // 6to4
        [0x2001, second, ..] if second < 0x200 => false,          // IETF protocol assignments, Teredo
        [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,   // documentation
        // Global unicast is 2000::/3. Beside it lie loopback, unspecified, unique-local, link-local, multicast, and the
        // NAT64 prefixes of single networks.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn addresses_of_private_networks_are_told_in_every_writing() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "172.31.255.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "localhost",
            "LOCALHOST.",
            "db.localhost",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::808:808]",
            "[2002:c0a8:1::1]",
            "[2001::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
        ] {
            let (class, detail) = Reach::default().check(&url(&format!("http://{host}/"))).expect_err(host);
            assert_eq!(class, FailureClass::Private);
            assert!(detail.contains("--allow-private"), "{detail}");
        }
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "photos.example",
            "[2606:4700::1111]",
            "[64:ff9b::8.8.8.8]",
            "[::ffff:8.8.8.8]",
        ] {
            assert!(Reach::default().check(&url(&format!("http://{host}/"))).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_site_s_own_address_opens_its_own_port_and_nothing_beside_it() {
        let reach =
            Reach::default().and(&url("http://127.0.0.1:8765/")).and_host("10.0.0.5").and_host("10.0.0.6:81");
        for (address, is_open) in [
            ("http://127.0.0.1:8765/x", true),
            ("http://127.0.0.1:8766/x", false),
            ("http://127.0.0.1/x", false),
            ("http://127.0.0.2:8765/x", false),
            ("http://localhost:8765/x", false),
            ("http://10.0.0.5:99/", true),
            ("http://10.0.0.6:81/", true),
            ("http://10.0.0.6/", false),
        ] {
            assert_eq!(reach.check(&url(address)).is_ok(), is_open, "{address}");
        }
        let by_name = Reach::default().and(&url("http://photos.example/"));
        assert!(!by_name.is_open(&url("http://photos.example/")), "its address is looked at");
        assert!(Reach::new(true).check(&url("http://169.254.169.254/")).is_ok());
    }

    #[tokio::test]
    async fn a_name_with_a_private_address_is_not_resolved() {
        let resolved = PublicOnly::new().resolve("localhost".parse().unwrap()).await;
        let error = resolved.err().expect("it is this machine").to_string();
        assert!(error.contains("localhost has the address") && error.contains("--allow-private"), "{error}");
    }
}
