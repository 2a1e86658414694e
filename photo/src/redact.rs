//! Addresses as they may be shown to others: without passwords and tokens. Pure.

use std::borrow::Cow;

/// What stands for a secret.
const MASK: &str = "***";

/// Names of query parameters whose values let somebody in.
const SECRETS: [&str; 14] = [
    "apikey",
    "api_key",
    "auth",
    "authorization",
    "hmac",
    "jwt",
    "key",
    "pass",
    "passwd",
    "pwd",
    "session",
    "sid",
    "sig",
    "x-amz-security-token",
];

/// Ends of such names, as in `access_token` and `X-Amz-Signature`.
const SECRET_ENDS: [&str; 7] =
    ["token", "signature", "secret", "password", "credential", "sessionid", "api-key"];

/// The address without user and password, the values of secret parameters replaced by `***`. Anything that is no
/// address stays as it is.
pub fn redacted(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (before, fragment) =
        rest.split_once('#').map_or((rest, None), |(before, after)| (before, Some(after)));
    let (path, query) = before.split_once('?').map_or((before, None), |(path, query)| (path, Some(query)));
    let has_secret = query.is_some_and(|query| query.split('&').any(is_secret));
    if host.len() == authority.len() && !has_secret {
        return Cow::Borrowed(url);
    }
    let mut shown = format!("{scheme}://{host}{path}");
    if let Some(query) = query {
        let mask = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        };
        shown.push('?');
        shown.push_str(&query.split('&').map(mask).collect::<Vec<_>>().join("&"));
    }
    if let Some(fragment) = fragment {
        shown.push('#');
        shown.push_str(fragment);
    }
    Cow::Owned(shown)
}

fn is_secret(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let name = name.to_ascii_lowercase();
    !value.is_empty()
        && value != MASK
        && (SECRETS.contains(&&*name) || SECRET_ENDS.iter().any(|end| name.ends_with(end)))
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
