//! The ways in which sites write one address, with and without a slash at its end. Only people are matched this way;
//! pages and photos are stored under the address as written, since a server may answer each with another document.

/// The address without what is written in several ways: a slash at the end of its path, and a query that is empty.
pub fn plain(url: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.strip_suffix('/').unwrap_or(path);
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Every way of writing an address, the plain one first.
pub fn spellings(url: &str) -> [String; 4] {
    let plain = plain(url);
    let (path, query) =
        plain.split_once('?').map_or((plain.as_str(), None), |(path, query)| (path, Some(query)));
    match query {
        Some(query) => [&plain, &format!("{path}/?{query}"), &plain, &plain].map(String::clone),
        None => [path.to_owned(), format!("{path}/"), format!("{path}?"), format!("{path}/?")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_and_an_empty_query_make_no_other_address_and_anything_else_does() {
        for same in ["http://a.example/anna", "http://a.example/anna/", "http://a.example/anna/?"] {
            assert_eq!(plain(same), "http://a.example/anna");
            assert!(spellings("http://a.example/anna").contains(&same.to_owned()), "{same}");
        }
        let by_query = spellings("http://a.example/?id=1");
        assert!(by_query.contains(&"http://a.example/?id=1".to_owned()), "{by_query:?}");
        assert!(by_query.contains(&"http://a.example?id=1".to_owned()), "{by_query:?}");
        let others = [
            "http://a.example/anna.html",
            "http://a.example/Anna",
            "http://a.example/anna?id=1",
            "http://a.example/anna/1",
        ];
        for other in others {
            assert_ne!(plain(other), "http://a.example/anna", "{other}");
        }
    }
}
