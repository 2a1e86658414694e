"""The demo base's tokenizer in CLIP's format: bytes for any text, and one token for every word that captions use."""

import json
from collections import Counter
from pathlib import Path

from transformers import CLIPTokenizer

import networks

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
ENOUGH = 3  # times that captions must use a word
# Prompts that users try first; captions of `synth` have no such words.
KNOWN = "an the is of in on at person people portrait picture image standing sitting full body".split()


def alphabet() -> list[str]:
    """A character for every byte, as GPT-2 chose them: those that print stand for themselves."""
    prints = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (chr(256 + i) for i in range(256 - len(prints)))
    return [chr(byte) if byte in prints else next(others) for byte in range(256)]


def merges_of(words: list[str]) -> list[tuple[str, str]]:
    """Pairs that put each word together from the left; a word's last character carries the mark of an end."""
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            # what earlier words' pairs make of this one comes first, in their order
            known = [pair for pair in zip(parts, parts[1:]) if pair in merges]
            pair = min(known, key=list(merges).index) if known else (parts[0], parts[1])
            merges.setdefault(pair)
            joined, i = [], 0
            while i < len(parts):
                if tuple(parts[i : i + 2]) == pair:
                    joined.append(parts[i] + parts[i + 1])
                    i += 2
                else:
                    joined.append(parts[i])
                    i += 1
            parts = joined
    return list(merges)


def write(captions: list[str], folder: Path) -> CLIPTokenizer:
    """Makes the tokenizer's files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = Counter("".join(c if c.isalpha() else " " for c in " ".join(captions).lower()).split())
    used = sorted(word for word, count in words.items() if count >= ENOUGH)
    merges = merges_of([word for word in [*used, *KNOWN] if len(word) > 1])
    tokens = [*alphabet(), *(c + "</w>" for c in alphabet()), *(a + b for a, b in merges), BEGIN, END]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    config = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": networks.TOKENS, "do_lower_case": True,
        "bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    special = {key: value for key, value in config.items() if key.endswith("_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    broken = [word for word in used if len(tokenizer.tokenize(word)) != 1]
    if broken:
        raise SystemExit(f"words of more than one token: {broken[:10]}; mend merges_of()")
    return tokenizer


def tokenizer(folder: Path, captions: list[str]) -> CLIPTokenizer:
    """The one of a folder, made from captions if it is not there."""
    return CLIPTokenizer.from_pretrained(folder) if folder.exists() else write(captions, folder)


def shorter(caption: str) -> list[str]:
    """What people ask for who say less: no clothes, nothing but the sex, not even that."""
    sex = "woman" if " woman" in caption else "man"
    return [caption.split(" wearing ")[0], f"a photo of a {sex}", "a photo of a person"]


def ids(tokenizer: CLIPTokenizer, captions: list[str]):
    """int64 [n, 48]."""
    return tokenizer(
        captions, padding="max_length", truncation=True, max_length=networks.TOKENS, return_tensors="pt"
    ).input_ids
