//! The model card of an exported adapter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use train::adapter::file::IMAGE_ENCODER;

/// What the card says, in Markdown with the head that model hubs read.
pub fn card(
    name: &str,
    facts: &BTreeMap<String, String>,
    numbers: &BTreeMap<String, f64>,
    person: &str,
) -> String {
    let fact = |key: &str| facts.get(key).map_or("unknown", String::as_str);
    let mut text = format!(
        "---\nlibrary_name: diffusers\nbase_model: {base}\ntags: [ip-adapter, body, text-to-image]\n\
         license: other\n---\n\n\
         # {name}\n\n\
         A body adapter: two streams of four tokens each beside the text in every cross-attention of a frozen base.\n\n\
         | file | what | input |\n|---|---|---|\n\
         | `body.safetensors` | the body's stream, in the layout of IP-Adapter | c_body |\n\
         | `ref.safetensors` | the reference's stream, likewise | an image embedding |\n\
         | `body.ipadpt`, `neg.ipadpt` | c_body of {person} and its negative, for ComfyUI's `IPAdapter Embeds` | |\n\n\
         ## What it was made of\n\n\
         | | |\n|---|---|\n| base | `{base}` |\n| body-VAE (SHA-256) | `{vae}` |\n\
         | image encoder (SHA-256) | `{encoder}` |\n| snapshot | `{snapshot}` |\n| run | `{run}` |\n| program | bolid {version} |\n\n",
        base = fact("base"),
        vae = fact("body_vae"),
        encoder = fact(IMAGE_ENCODER),
        snapshot = fact("snapshot"),
        run = fact("run"),
        version = fact("program_version"),
    );
    if !numbers.is_empty() {
        text.push_str("## Figures of the last validation\n\n| | |\n|---|---|\n");
        for (name, value) in numbers {
            // A String takes everything that is written to it.
            let _ = writeln!(text, "| {} | {value:.4} |", name.replace('_', " "));
        }
        text.push_str(
            "\n`right`, `stranger`, `none`: the loss on the same photos and noise with the person's own body, with \
             somebody else's, and with none; `right best`: the share of photos for which the first is the smallest, \
             `people right best` the share of people, by the mean over their photos, with its 95 % interval.\n\n",
        );
    }
    text.push_str(
        "## Licence and limits\n\n\
         The base's licence holds for what is made with it. The snapshot's photos show people: their rights \
         hold too, and an adapter whose snapshot is withdrawn must not be used any more (`bolid runs show` \
         says so).\n\n\
         - It was trained on the people of one snapshot; how it does on others is what `unseen` above says, if \
         anything.\n\
         - c_body comes from the body-VAE named above and from no other.\n\
         - The body's stream alone: λ_ref = 0. With λ_b = 0 as well, pictures are the base's to the bit.\n",
    );
    text
}
