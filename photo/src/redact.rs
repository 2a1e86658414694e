//! Addresses as they may be shown to others: without passwords and tokens. Pure.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What stands for a secret.
const MASK: &str = "***";

/// Names of query parameters whose values let somebody in.
const SECRETS: [&str; 19] = [
    "__gda__", // Akamai's
    "auth",
    "authorization",
    "hdnea",
    "hdnts",
    "hm", // Discord's
    "hmac",
    "jwt",
    "key",
    "md5", // nginx's secure links
    "oh",  // Meta's
    "pass",
    "passwd",
    "policy", // CloudFront's
    "pwd",
    "session",
    "sid",
    "sig",
    "x-amz-security-token",
];

/// Ends of such names, as in `access_token`, `X-Amz-Signature` and `PHPSESSID`.
const SECRET_ENDS: [&str; 14] = [
    "token",
    "signature",
    "secret",
    "password",
    "credential",
    "sessionid",
    "sessid",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "access_key",
    "authkey",
    "auth_key",
];

/// The address without user and password, the values of secret parameters replaced by `***`. Anything that is no
/// address stays as it is.
pub fn redacted(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let shown = masked(rest);
    if host.len() == authority.len() && shown == rest {
        return Cow::Borrowed(url);
    }
    Cow::Owned(format!("{scheme}://{host}{shown}"))
}

/// Path, query and fragment with the values of secret parameters masked. Parameters stand between `?`, `&`,
/// `;` and `#`: servers write them behind a path (`;jsessionid=…`) and into fragments (`#access_token=…`)
/// too.
fn masked(rest: &str) -> String {
    let is_mark = |c: char| matches!(c, '?' | '&' | ';' | '#');
    let first = rest.find(is_mark).unwrap_or(rest.len());
    let mut shown = rest[..first].to_owned();
    let mut pairs = &rest[first..];
    while let Some(mark) = pairs.chars().next() {
        let pair = &pairs[1..];
        let pair = &pair[..pair.find(is_mark).unwrap_or(pair.len())];
        pairs = &pairs[1 + pair.len()..];
        shown.push(mark);
        match pair.split_once('=') {
            Some((name, value)) if is_secret(name) && !value.is_empty() => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(MASK);
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

fn is_secret(name: &str) -> bool {
    // Without escapes: `%74oken` is `token`.
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    let name = name.trim_end_matches("[]");
    SECRETS.contains(&name) || SECRET_ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_masked_and_the_rest_stays() {
        for (url, shown) in [
            ("http://ann:s3cret@a.example/1.jpg", "http://a.example/1.jpg"),
            ("https://ann@a.example:81/1.jpg?w=3#x", "https://a.example:81/1.jpg?w=3#x"),
            ("https://a.example/1.jpg?w=3&token=abc&h=4", "https://a.example/1.jpg?w=3&token=***&h=4"),
            (
                "https://a.example?X-Amz-Signature=ab%2F&Key=k",
                "https://a.example?X-Amz-Signature=***&Key=***",
            ),
            ("https://a.example/?access_token=a=b", "https://a.example/?access_token=***"),
            (
                "https://a.example/1.jpg?PHPSESSID=a&auth_key=1-b",
                "https://a.example/1.jpg?PHPSESSID=***&auth_key=***",
            ),
            ("https://a.example/1.jpg;jsessionid=a?w=3", "https://a.example/1.jpg;jsessionid=***?w=3"),
            ("https://a.example/1.jpg#access_token=a", "https://a.example/1.jpg#access_token=***"),
            ("https://a.example/?a=1;token=b", "https://a.example/?a=1;token=***"),
            ("https://a.example/?%74oken=b&TOKEN[]=c", "https://a.example/?%74oken=***&TOKEN[]=***"),
            (
                "https://a.example/?AWSAccessKeyId=k&awsaccesskey=s",
                "https://a.example/?AWSAccessKeyId=k&awsaccesskey=***",
            ),
            ("https://a.example/1.jpg?ex=1&hm=a&Policy=b", "https://a.example/1.jpg?ex=1&hm=***&Policy=***"),
            ("https://a.example/1.jpg?md5=a&expires=3", "https://a.example/1.jpg?md5=***&expires=3"),
        ] {
            assert_eq!(redacted(url), shown);
            assert_eq!(redacted(shown), shown, "once more changes nothing");
        }
    }

    #[test]
    fn addresses_without_secrets_and_files_are_borrowed() {
        for url in [
            "https://a.example/ann@home/1.jpg",
            "https://a.example/?keyword=x&signed=1&token=",
            "file:ada/key=1.jpg",
            "synth://1/drawn/f00001-0/3/0",
        ] {
            assert!(matches!(redacted(url), Cow::Borrowed(same) if same == url), "{url}");
        }
    }
}
