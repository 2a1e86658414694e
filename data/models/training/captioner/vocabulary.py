"""The demo captioner's tokenizer: a token for each word of `synth`'s captions, in BERT's format."""

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]"]
PAD, UNKNOWN, CLASS, END, BEGIN = range(5)  # a caption begins with [DEC] and ends with [SEP], as BLIP's do
MOST = 96  # tokens of a caption; those of three people have up to 90


def tokenizer(captions: list[str]) -> PreTrainedTokenizerFast:
    """One with the words of captions; others are unknown."""
    words = sorted({word for caption in captions for word in caption.replace(",", " , ").split()})
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *words])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Strip()
    comma = pre_tokenizers.Split(Regex(","), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), comma])
    made.decoder = decoders.WordPiece()
    around = [("[CLS]", CLASS), ("[SEP]", END)]
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=around)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        bos_token="[DEC]", model_max_length=MOST,
    )


def ids(made: PreTrainedTokenizerFast, captions: list[str]) -> torch.Tensor:
    """int16 [n, 96]: what the decoder is given and must say next, so from [DEC] to [SEP], then padding."""
    rows = made(captions, padding="max_length", max_length=MOST, truncation=True, return_tensors="pt").input_ids
    rows[:, 0] = BEGIN
    return rows.to(torch.int16)


def load(folder: Path) -> PreTrainedTokenizerFast:
    """The one of a folder."""
    return PreTrainedTokenizerFast.from_pretrained(folder)
