"""Tiny captioning models as transformers saves them, and what it makes of two images with them:

    python captions.py OUT

Writes OUT/blip, OUT/blip2_opt and OUT/blip2_t5: config.json, model.safetensors, tokenizer.json, the settings of the
image processor, and expected.safetensors with the images `image.N` [h, w, 3], their pixels `pixel_values`, the new
ids of greedy decoding `ids.prompt` and `ids.bare` (padded), and `logits` of T5 at the start and after each of
`ids.prompt`. The prompt and the texts are in expected.json.
"""
import json
import math
import sys
from pathlib import Path

import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BlipImageProcessor, BlipProcessor, Blip2Processor, PreTrainedTokenizerFast

WORDS = "a man woman child in red blue coat is standing on the street with her hand up photo of two people and dog".split()
PROMPT, STEPS = "a photo of", 10


def randomised(model, g, louder):
    """Weights of unit gain; those whose names `louder` ends are four times as large, or one id is repeated for ever."""
    for name, p in sorted(model.named_parameters()):
        small = torch.randn(*p.shape, generator=g)
        if p.ndim >= 2:
            p.data.copy_(small / math.sqrt(p[0].numel()) * (4 if name.endswith(louder) else 1))
        else:
            p.data.copy_(small * 0.1 + (1.0 if name.endswith("weight") else 0.0))
    return model.eval().requires_grad_(False)


def wordpiece():
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", *WORDS, "##s", "##ing", "##er"]
    t = Tokenizer(models.WordPiece({n: i for i, n in enumerate(names)}, unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
                                   sep_token="[SEP]", bos_token="[DEC]")


def byte_pairs():
    alphabet = ["Ġ", *"abcdefghijklmnopqrstuvwxyz"]
    merges = [("Ġ", "a"), ("o", "n"), ("i", "n"), ("Ġ", "p"), ("h", "o"), ("Ġp", "ho"), ("t", "o"), ("Ġpho", "to"),
              ("Ġ", "o"), ("Ġo", "f"), ("m", "a"), ("Ġ", "d")]
    names = ["<s>", "<pad>", "</s>", *alphabet, *(a + b for a, b in merges)]
    t = Tokenizer(models.BPE({n: i for i, n in enumerate(names)}, merges))
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    t.post_processor = processors.TemplateProcessing("</s> $A", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="<pad>", bos_token="</s>", eos_token="</s>")


def unigram():
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *(("▁" + w, -2.0) for w in WORDS), ("▁", -3.0), ("s", -3.0)]
    t = Tokenizer(models.Unigram(pieces, unk_id=2))
    space = dict(replacement="▁", prepend_scheme="always", split=True)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**space)])
    t.decoder = decoders.Metaspace(**space)
    t.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def images():
    """Two images of other sizes than the model's, one with hard edges, so that levels are cut."""
    g = torch.Generator().manual_seed(5)
    hard = (torch.rand(50, 71, 3, generator=g) > 0.5).to(torch.uint8) * 255
    y, x = torch.meshgrid(torch.arange(90), torch.arange(31), indexing="ij")
    smooth = torch.stack([x * 8, y * 2, (x + y) * 2], -1).to(torch.uint8)
    return [hard, smooth]


def blip():
    t = wordpiece()
    vision = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=32, patch_size=16)
    text = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=24,
                vocab_size=len(t), bos_token_id=4, pad_token_id=0, sep_token_id=3)
    config = transformers.BlipConfig(vision_config=vision, text_config=text)
    processor = BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), t)
    return transformers.BlipForConditionalGeneration(config), processor, None


def blip2(kind):
    t = byte_pairs() if kind == "opt" else unigram()
    t.add_tokens("<image>", special_tokens=True)
    vision = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=28, patch_size=14)
    qformer = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2, vocab_size=8)
    text = {
        "opt": dict(model_type="opt", hidden_size=16, word_embed_proj_dim=16, ffn_dim=32, num_hidden_layers=2,
                    num_attention_heads=2, max_position_embeddings=40, vocab_size=len(t), bos_token_id=2, pad_token_id=1,
                    eos_token_id=len(t) - 2),
        "t5": dict(model_type="t5", d_model=16, d_kv=6, d_ff=32, num_layers=3, num_decoder_layers=2, num_heads=3,
                   relative_attention_num_buckets=8, relative_attention_max_distance=12, vocab_size=len(t), bos_token_id=1,
                   feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0),
    }[kind]
    config = transformers.Blip2Config(vision_config=vision, qformer_config=qformer, text_config=text, num_query_tokens=4,
                                      image_token_index=len(t) - 1)
    processor = Blip2Processor(BlipImageProcessor(size={"height": 28, "width": 28}), t, num_query_tokens=4)
    model = transformers.Blip2ForConditionalGeneration(config)
    if kind == "t5":  # Flan-T5 has a head of its own
        model.language_model.lm_head.weight = torch.nn.Parameter(model.language_model.lm_head.weight.clone())
    return model, processor, 1 if kind == "t5" else None


def ids_of(model, processor, pixels, prompt, stop):
    """What the model is given, its new ids, and the smallest lead of an id over the next best."""
    text = dict(text=[prompt] * len(pixels)) if prompt else {}
    given = processor(images=pixels, return_tensors="pt", **text)
    given = {k: v.to(model.dtype) if v.is_floating_point() else v for k, v in given.items()}
    if model.config.model_type == "blip":
        model.config.text_config.sep_token_id, ends = stop, {}
    else:
        ends = dict(eos_token_id=stop)
    made = model.generate(**given, **ends, max_new_tokens=STEPS, do_sample=False, num_beams=1, output_scores=True,
                          return_dict_in_generate=True)
    best = torch.stack(made.scores).topk(2).values
    return given, made.sequences[:, -len(made.scores):], float((best[..., 0] - best[..., 1]).min())


def texts_of(processor, prompt, new, stop):
    """The words of new ids up to the stop id, without the prompt."""
    before = processor.tokenizer(prompt, add_special_tokens=False).input_ids if prompt else []
    rows = [row[:row.index(stop)] if stop in row else row for row in new.tolist()]
    start = processor.decode(before, skip_special_tokens=True)
    whole = [processor.decode(before + row, skip_special_tokens=True) for row in rows]
    assert all(text.startswith(start) for text in whole), (whole, start)
    return [text[len(start):].strip() for text in whole]


def write(out, name, model, processor, stop):
    """Draws weights until the ids are varied and none is chosen narrowly. Without a `stop` the fifth id or so of the first
    image is made the one."""
    g, pictures = torch.Generator().manual_seed(1), images()
    pixels = [Image.fromarray(p.numpy()) for p in pictures]
    while True:
        randomised(model, g, ("position_embeddings.weight", "embed_positions.weight", "relative_attention_bias.weight")).double()
        runs = [ids_of(model, processor, pixels, prompt, -1) for prompt in (PROMPT, None)]
        rows = [row for run in runs for row in run[1].tolist()]
        ends = [i for n, i in enumerate(rows[0]) if 4 <= n < 8 and i not in rows[0][:n] + rows[1]]
        if min(run[2] for run in runs) > 0.01 and all(len(set(row)) > 3 and min(row) > 4 for row in rows) and (ends or stop):
            break
    stop = stop or ends[0]
    (given, prompted, _), (_, bare, _) = (ids_of(model, processor, pixels, prompt, stop) for prompt in (PROMPT, None))
    tensors = {f"image.{i}": p for i, p in enumerate(pictures)}
    tensors |= {"pixel_values": given["pixel_values"].float(), "ids.prompt": prompted, "ids.bare": bare}
    if name == "blip2_t5":
        start = torch.zeros(2, 1, dtype=torch.long)
        tensors["logits"] = model(**given, decoder_input_ids=torch.cat([start, prompted], 1)).logits.float()
    elif name == "blip2_opt":
        model.config.text_config.eos_token_id = stop
    model.float().save_pretrained(out / name)
    processor.save_pretrained(out / name)
    if name != "blip2_t5":  # as in published folders; newer ones are as this release writes them
        common = out / name / "processor_config.json"
        own = json.loads(common.read_text())["image_processor"]
        (out / name / "preprocessor_config.json").write_text(json.dumps(own, indent=2) + "\n")
        common.unlink()
    else:  # as in published folders; this release has no way to say it
        config = json.loads((out / name / "config.json").read_text())
        config["text_config"]["tie_word_embeddings"] = False
        (out / name / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / name / "expected.safetensors")
    said = {"prompt": PROMPT, "max_tokens": STEPS, "with_prompt": texts_of(processor, PROMPT, prompted, stop),
            "without": texts_of(processor, None, bare, stop)}
    (out / name / "expected.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    print(name, stop, rows, said)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    write(Path(sys.argv[1]), "blip", *blip())
    write(Path(sys.argv[1]), "blip2_opt", *blip2("opt"))
    write(Path(sys.argv[1]), "blip2_t5", *blip2("t5"))
