-- People are looked for by the address of their page, each time that a list of people names one.
CREATE INDEX identity_by_page ON identity (site, page_url);
