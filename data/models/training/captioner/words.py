"""The words of `synth`'s captions: which person they tell of, and what they say is worn there."""

import re

COLOURS = (
    "white black grey navy light-blue blue red burgundy pink orange yellow green olive teal purple lilac brown beige cream "
    "charcoal denim"
).split()
GARMENTS = {
    "upper": "shirt tank-top turtleneck T-shirt sweater dress".split(),
    "lower": "skirt shorts jeans trousers".split(),
    "over": ["jacket"],
}
PATTERNS = "striped pinstriped checked dotted flowered printed".split()
EYEWEAR = ["glasses", "sunglasses"]
HEIGHTS, BUILDS = ["tall", "short"], ["slim", "heavyset"]
PHRASES = {"light blue": "light-blue", "tank top": "tank-top"}
PERSON = re.compile(r"(?:^a photo of|, and) an? (.*?)(?=, and an? |$)")


def people(caption: str) -> list[tuple[str, str]]:
    """Body and clothes of each person that a caption tells of, from left to right; none where it is no such caption."""
    found = PERSON.findall(caption)
    return [tuple(part.strip() for part in (told + " wearing ").split(" wearing ")[:2]) for told in found]


def caption_of(told: list[tuple[str, str]]) -> str:
    """The caption of such people."""
    if not told:
        return "a photo without people"
    return "a photo of " + ", and ".join(f"a {body} wearing {clothes}" for body, clothes in told)


def worn(clothes: str) -> dict[str, list[str]]:
    """Words of colour, pattern and garment where they are worn: `upper`, `lower`, `over`, and `eyes`.

    A part that is named twice keeps the last words: a caption that nobody drew may say anything."""
    for phrase, word in PHRASES.items():
        clothes = clothes.replace(phrase, word)
    parts: dict[str, list[str]] = {}
    since: list[str] = []
    for word in clothes.replace(",", " ").split():
        place = next((place for place, names in GARMENTS.items() if word in names), None)
        if place:
            parts[place] = [*since, word]
            since = []
        elif word in COLOURS or word in PATTERNS:
            since.append(word)
        elif word in EYEWEAR:
            parts["eyes"] = [word]
    return parts


def spelled(said: list[str]) -> str:
    """Such words as captions write them."""
    text = " ".join(said)
    for phrase, word in PHRASES.items():
        text = text.replace(word, phrase)
    return text


def named(clothes: str) -> set[tuple[str, str]]:
    """Everything that is said to be worn: (place, word)."""
    return {(place, word) for place, said in worn(clothes).items() for word in said}


def kind(word: str) -> str:
    """What a word of clothes is."""
    if word in COLOURS:
        return "colours"
    if word in PATTERNS:
        return "patterns"
    return "glasses" if word in EYEWEAR else "garments"


def height_and_build(body: str) -> tuple[str, str]:
    """What stands before `woman` or `man`; an empty word is one that the caption leaves out: neither."""
    before = re.split(r"\b(?:wo)?man\b", body)[0].split()
    return tuple(next((word for word in before if word in choice), "") for choice in (HEIGHTS, BUILDS))
