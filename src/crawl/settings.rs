//! How sites are asked: what the recipe says of it, and over that the command line.

use crawler::CrawlSettings;

use crate::cli::{MannerArgs, SelectionArgs};
use crate::plan::Target;
use crate::recipe::Recipe;

/// What the recipe says of crawling.
pub fn of_site(target: Target, recipe: &Recipe) -> CrawlSettings {
    let mut settings = CrawlSettings::new(target.profile);
    settings.mirror = target.mirror;
    set_recipe(&mut settings, recipe);
    settings
}

/// What the recipe says of any source.
pub fn set_recipe(settings: &mut CrawlSettings, recipe: &Recipe) {
    settings.min_side = recipe.rules.of_site(settings.site()).min_side;
    settings.fresh_for = recipe.crawl.fresh_for;
    settings.max_photos = recipe.crawl.max_photos;
    settings.min_photos = recipe.crawl.min_photos.unwrap_or(0);
    settings.identities.clone_from(&recipe.crawl.identities);
    settings.contact.clone_from(&recipe.crawl.contact);
    settings.allow_private = recipe.crawl.allow_private;
}

/// What the command line says of manners.
pub fn set_manners(settings: &mut CrawlSettings, args: &MannerArgs) {
    settings.contact = args.contact.clone().or_else(|| settings.contact.take());
    settings.delay = args.delay.or(settings.delay);
    settings.allow_private |= args.allow_private;
}

/// What the command line says of the photos wanted.
pub fn set_selection(settings: &mut CrawlSettings, args: &SelectionArgs) {
    settings.max_photos = args.max_photos.or(settings.max_photos);
    settings.min_photos = args.min_photos.unwrap_or(settings.min_photos);
    settings.simulate = args.simulate;
    if !args.identity.is_empty() {
        settings.identities.clone_from(&args.identity);
    }
}

/// The arguments of manners, as they can be typed again.
pub fn typed_manners(args: &MannerArgs) -> String {
    let MannerArgs { contact, allow_private, delay } = args;
    let delay = delay.map(|delay| humantime::format_duration(delay).to_string());
    let allow_private = if *allow_private { " --allow-private" } else { "" };
    typed([("--contact", contact.clone()), ("--delay", delay)]) + allow_private
}

/// Those arguments that have a value, as they can be typed again, with a space before each.
pub fn typed<const N: usize>(arguments: [(&str, Option<String>); N]) -> String {
    // As a shell reads it.
    let is_plain = |c: char| c.is_alphanumeric() || "/.:_-@%+=,".contains(c);
    let quoted = |text: String| match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    };
    let typed = |(name, value): (&str, Option<String>)| Some(format!(" {name} {}", quoted(value?)));
    arguments.into_iter().filter_map(typed).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_typed_of_manners_is_typed_again_as_a_shell_reads_it() {
        let none = MannerArgs { contact: None, allow_private: false, delay: None };
        assert_eq!(typed_manners(&none), "");
        let all = MannerArgs {
            contact: Some("it's me".to_owned()),
            allow_private: true,
            delay: Some(Duration::from_millis(1500)),
        };
        assert_eq!(typed_manners(&all), r" --contact 'it'\''s me' --delay '1s 500ms' --allow-private");
        let site = [("--site", Some("a/b.toml".to_owned())), ("--base-url", None)];
        assert_eq!(typed(site), " --site a/b.toml");
    }
}
