"""What transformers makes of photos with the demo captioner:

    python demo_captioner.py MODEL OUT PHOTO …

Writes each photo to OUT/N.png, 240 px along its longer side, and OUT/expected.json: the new ids of greedy decoding up to [SEP],
and the captions.
"""
import json
import sys
from pathlib import Path

import torch
from PIL import Image, ImageOps
from transformers import BlipForConditionalGeneration, BlipImageProcessor, PreTrainedTokenizerFast

LONGER, STEPS = 240, 95


@torch.inference_mode()
def main(model, out, photos):
    out.mkdir(parents=True, exist_ok=True)
    images = [ImageOps.exif_transpose(Image.open(photo)).convert("RGB") for photo in photos]
    for i, image in enumerate(images):
        image.thumbnail((LONGER, LONGER))
        image.save(out / f"{i}.png", optimize=True)
    blip = BlipForConditionalGeneration.from_pretrained(model, dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(model)
    pixels = BlipImageProcessor.from_pretrained(model)(images=images, return_tensors="pt").pixel_values
    rows = blip.generate(pixels, max_new_tokens=STEPS, do_sample=False, num_beams=1).tolist()
    end = tokenizer.sep_token_id
    said = [{"ids": row[1 : row.index(end) + 1], "caption": tokenizer.decode(row, skip_special_tokens=True)} for row in rows]
    (out / "expected.json").write_text(json.dumps(said, indent=1) + "\n")
    print("\n".join(row["caption"] for row in said))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
