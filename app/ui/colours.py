"""The colours of the window, dark and light: the one table that the palette and the style sheet are made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colours:
    """One appearance, as '#rrggbb'. track: a switch that is off; accent_soft: a button that is on."""

    window: str
    card: str
    field: str
    hover: str
    border: str
    text: str
    muted: str
    track: str
    accent: str
    accent_soft: str
    on_accent: str
    error: str
    error_card: str
    warning: str
    warning_card: str
    info_card: str


LIGHT = Colours(
    window="#f4f5f8",
    card="#ffffff",
    field="#f4f5f8",
    hover="#e9ecf3",
    border="#dfe3ea",
    text="#1b2230",
    muted="#5f6b7e",
    track="#848e9f",
    accent="#3a5bdc",
    accent_soft="#dee5fc",
    on_accent="#ffffff",
    error="#c22f3d",
    error_card="#fdecee",
    warning="#9a6200",
    warning_card="#fff4dc",
    info_card="#e8eefe",
)
DARK = Colours(
    window="#14171d",
    card="#1c2028",
    field="#262b35",
    hover="#2e3440",
    border="#323945",
    text="#e8ebf1",
    muted="#9aa5b6",
    track="#697587",
    accent="#8098ff",
    accent_soft="#2a335a",
    on_accent="#10131a",
    error="#ff7b86",
    error_card="#3a2126",
    warning="#f0b95a",
    warning_card="#38301f",
    info_card="#232b42",
)
