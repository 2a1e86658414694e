"""Writes a small CLIP tokenizer and what transformers makes of some prompts: python tokenizer_vectors.py FOLDER"""
import json
import sys
from pathlib import Path

from transformers import CLIPTokenizer

folder = Path(sys.argv[1])
# The printable form of each byte, as in GPT-2 and CLIP.
keep = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
letters = [chr(b) for b in keep] + [chr(256 + i) for i in range(256 - len(keep))]
merges = ["a n", "t h", "th e</w>", "an d</w>", "e r", "p er", "per s", "pers o", "perso n</w>", "i n", "in g</w>",
          "s t", "st an", "stan d", "stand ing</w>", "p h", "ph o", "pho t", "phot o</w>", "1 0</w>", "' s</w>", "c a", "ca f",
          "Ã ©</w>"]
tokens = [*letters, *(c + "</w>" for c in letters), *("".join(m.split()) for m in merges),
          "<|startoftext|>", "<|endoftext|>"]
vocab = {t: i for i, t in enumerate(dict.fromkeys(tokens))}
(folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
(folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
config = {"bos_token": {"content": "<|startoftext|>"}, "eos_token": "<|endoftext|>", "pad_token": "!",
          "unk_token": "<|endoftext|>", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
(folder / "tokenizer_config.json").write_text(json.dumps(config))
prompts = ["a person standing and the photo", "", "  A Person's\tcafé,  10x!! ", "über 日本 🙂 e\u0301", "person " * 80,
           "literal <|endoftext|> inside", "they've I'm don't we'll"]
tokenizer = CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), pad_token="!", model_max_length=77)
tokenizer.save_pretrained(folder / "fast")
rows = [{"prompt": p, "ids": tokenizer(p, padding="max_length", max_length=77, truncation=True).input_ids} for p in prompts]
(folder / "expected.json").write_text(json.dumps(rows, ensure_ascii=False))
