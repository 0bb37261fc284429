"""Colours as data, dark and light; what colour a kind, a latent space and a family of nodes has; how large things are.

Colours never stand alone: sound is a plain cable, modulation a thin one, a latent a double one, and delayed cables are
dashed and say z⁻¹.  Every pair of cable colours stays apart for the three kinds of colour blindness (tested).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

Colour = tuple[int, int, int, int]

FONTS = Path(__file__).parent / "fonts"
SANS, MONO = FONTS / "DejaVuSans.ttf", FONTS / "DejaVuSansMono.ttf"
SCALES = (0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
"""The steps of the UI scale setting."""
FONT = 14
"""Pixels of a line of text at scale 1."""
SOUND, MODULATION, LATENT = "sound", "modulation", "latent"
"""Kinds of cables as people see them: what is heard, what moves something, what is a latent vector."""
FAMILIES = {
    "source": "source", "mod": "modulator", "filter": "filter", "effect": "effect", "maths": "maths", "latent": "latent",
    "model": "latent", "codebook": "latent", "descriptor": "latent", "io": "world", "midi": "world", "osc": "world",
    "rack": "patch", "view": "view",
}  # fmt: skip
"""Family by the first word of a type's id; each has a title colour."""


@dataclass(frozen=True)
class Theme:
    """Every colour that is drawn, RGBA."""

    name: str
    canvas: Colour
    grid: Colour
    grid_strong: Colour
    body: Colour
    edge: Colour
    text: Colour
    dim: Colour
    track: Colour  # of a knob
    value: Colour  # of a knob
    selected: Colour
    good: Colour
    bad: Colour
    warn: Colour
    meter: Colour
    hot: Colour  # a level above 1
    shade: Colour  # over what is bypassed
    panel: Colour
    field: Colour
    field_hover: Colour
    button: Colour
    button_hover: Colour
    border: Colour
    tip: Colour
    accent: Colour
    cables: dict[str, Colour]
    latents: tuple[Colour, ...]
    families: dict[str, Colour]

    def cable(self, kind: str, space: str = "") -> Colour:
        """Colour of a cable or port of a kind; a latent's goes by its space, always the same one for the same space."""
        if kind != LATENT:
            return self.cables[kind]
        return self.latents[crc32(space.encode()) % len(self.latents)] if space else self.latents[0]

    def family(self, type: str) -> Colour:
        """Title colour of a node type."""
        return self.families[FAMILIES.get(type.partition("/")[0], "patch")]


DARK = Theme(
    name="dark",
    canvas=(22, 23, 27, 255),
    grid=(31, 33, 38, 255),
    grid_strong=(40, 42, 49, 255),
    body=(43, 45, 52, 255),
    edge=(88, 92, 104, 255),
    text=(235, 237, 241, 255),
    dim=(172, 177, 188, 255),
    track=(78, 82, 93, 255),
    value=(214, 218, 226, 255),
    selected=(255, 224, 102, 255),
    good=(94, 214, 150, 255),
    bad=(255, 105, 97, 255),
    warn=(255, 196, 87, 255),
    meter=(94, 214, 150, 255),
    hot=(255, 105, 97, 255),
    shade=(22, 23, 27, 150),
    panel=(30, 31, 36, 255),
    field=(47, 49, 57, 255),
    field_hover=(60, 63, 73, 255),
    button=(54, 57, 66, 255),
    button_hover=(72, 76, 88, 255),
    border=(62, 65, 75, 255),
    tip=(28, 29, 34, 248),
    accent=(86, 180, 233, 255),
    cables={SOUND: (93, 206, 255, 255), MODULATION: (222, 164, 44, 255)},
    latents=((39, 146, 80, 255), (217, 66, 150, 255), (255, 250, 60, 255), (118, 116, 251, 255)),
    families={
        "source": (38, 96, 138, 255), "modulator": (140, 92, 20, 255), "filter": (62, 78, 150, 255),
        "effect": (96, 66, 134, 255), "maths": (76, 84, 98, 255), "latent": (20, 110, 86, 255),
        "world": (134, 56, 64, 255), "patch": (64, 92, 104, 255), "view": (92, 92, 58, 255),
    },
)  # fmt: skip

LIGHT = Theme(
    name="light",
    canvas=(243, 243, 240, 255),
    grid=(231, 231, 227, 255),
    grid_strong=(217, 217, 212, 255),
    body=(255, 255, 255, 255),
    edge=(142, 146, 154, 255),
    text=(26, 28, 32, 255),
    dim=(84, 88, 96, 255),
    track=(206, 208, 212, 255),
    value=(58, 62, 70, 255),
    selected=(196, 0, 96, 255),
    good=(0, 122, 80, 255),
    bad=(196, 30, 30, 255),
    warn=(150, 94, 0, 255),
    meter=(0, 150, 100, 255),
    hot=(214, 40, 40, 255),
    shade=(243, 243, 240, 165),
    panel=(250, 250, 248, 255),
    field=(236, 236, 232, 255),
    field_hover=(224, 225, 222, 255),
    button=(228, 229, 226, 255),
    button_hover=(210, 212, 210, 255),
    border=(196, 198, 198, 255),
    tip=(255, 255, 255, 250),
    accent=(0, 106, 170, 255),
    cables={SOUND: (27, 80, 176, 255), MODULATION: (176, 112, 0, 255)},
    latents=((11, 145, 90, 255), (217, 59, 144, 255), (119, 38, 0, 255), (145, 32, 250, 255)),
    families={
        "source": (150, 204, 236, 255), "modulator": (246, 206, 140, 255), "filter": (180, 192, 242, 255),
        "effect": (212, 190, 240, 255), "maths": (208, 212, 220, 255), "latent": (150, 220, 196, 255),
        "world": (244, 186, 186, 255), "patch": (186, 212, 222, 255), "view": (222, 220, 170, 255),
    },
)  # fmt: skip

THEMES = {t.name: t for t in (DARK, LIGHT)}


def mixed(a: Colour, b: Colour, t: float) -> Colour:
    """Colour at `t` on the way from `a` to `b`."""
    return (
        round(a[0] + (b[0] - a[0]) * t), round(a[1] + (b[1] - a[1]) * t), round(a[2] + (b[2] - a[2]) * t),
        round(a[3] + (b[3] - a[3]) * t),
    )  # fmt: skip


def faded(colour: Colour, alpha: float) -> Colour:
    """A colour with its opacity times `alpha`."""
    return (*colour[:3], round(colour[3] * alpha))


def scale_of(setting: float | None, content: float = 1.0) -> float:
    """UI scale: what is set ($ZRACK_SCALE before the setting), else the display's own scale, at the nearest step."""
    try:
        wish = float(os.environ["ZRACK_SCALE"])
    except (KeyError, ValueError):
        wish = setting if setting else content
    return min(SCALES, key=lambda s: abs(s - wish))


def apply(theme: Theme, scale: float) -> None:
    """Gives every DearPyGui widget the colours of a theme, and sizes for a UI scale."""
    import dearpygui.dearpygui as dpg

    clear = (0, 0, 0, 0)
    t = theme
    colours: dict[int, Colour] = {
        dpg.mvThemeCol_WindowBg: t.panel, dpg.mvThemeCol_ChildBg: clear, dpg.mvThemeCol_PopupBg: t.tip,
        dpg.mvThemeCol_Border: t.border, dpg.mvThemeCol_BorderShadow: clear,
        dpg.mvThemeCol_Text: t.text, dpg.mvThemeCol_TextDisabled: t.dim, dpg.mvThemeCol_TextSelectedBg: faded(t.accent, 0.4),
        dpg.mvThemeCol_FrameBg: t.field, dpg.mvThemeCol_FrameBgHovered: t.field_hover,
        dpg.mvThemeCol_FrameBgActive: t.field_hover,
        dpg.mvThemeCol_TitleBg: t.panel, dpg.mvThemeCol_TitleBgActive: t.field, dpg.mvThemeCol_TitleBgCollapsed: t.panel,
        dpg.mvThemeCol_MenuBarBg: t.panel,
        dpg.mvThemeCol_ScrollbarBg: clear, dpg.mvThemeCol_ScrollbarGrab: t.button,
        dpg.mvThemeCol_ScrollbarGrabHovered: t.button_hover, dpg.mvThemeCol_ScrollbarGrabActive: t.button_hover,
        dpg.mvThemeCol_CheckMark: t.accent, dpg.mvThemeCol_SliderGrab: t.accent, dpg.mvThemeCol_SliderGrabActive: t.accent,
        dpg.mvThemeCol_Button: t.button, dpg.mvThemeCol_ButtonHovered: t.button_hover,
        dpg.mvThemeCol_ButtonActive: faded(t.accent, 0.5),
        dpg.mvThemeCol_Header: faded(t.accent, 0.28), dpg.mvThemeCol_HeaderHovered: faded(t.accent, 0.4),
        dpg.mvThemeCol_HeaderActive: faded(t.accent, 0.5),
        dpg.mvThemeCol_Separator: t.border, dpg.mvThemeCol_SeparatorHovered: t.accent, dpg.mvThemeCol_SeparatorActive: t.accent,
        dpg.mvThemeCol_ResizeGrip: clear, dpg.mvThemeCol_ResizeGripHovered: t.accent, dpg.mvThemeCol_ResizeGripActive: t.accent,
        dpg.mvThemeCol_Tab: t.panel, dpg.mvThemeCol_TabHovered: t.button_hover, dpg.mvThemeCol_TabActive: t.field,
        dpg.mvThemeCol_TabUnfocused: t.panel, dpg.mvThemeCol_TabUnfocusedActive: t.field,
        dpg.mvThemeCol_PlotLines: t.accent, dpg.mvThemeCol_PlotHistogram: t.meter,
        dpg.mvThemeCol_TableHeaderBg: t.field, dpg.mvThemeCol_TableBorderStrong: t.border,
        dpg.mvThemeCol_TableBorderLight: t.border, dpg.mvThemeCol_TableRowBg: clear,
        dpg.mvThemeCol_TableRowBgAlt: faded(t.field, 0.5), dpg.mvThemeCol_DragDropTarget: t.selected,
        dpg.mvThemeCol_NavHighlight: t.accent, dpg.mvThemeCol_InputTextCursor: t.text,
        dpg.mvThemeCol_ModalWindowDimBg: (0, 0, 0, 110),
    }  # fmt: skip
    sizes: dict[int, tuple[float, float]] = {
        dpg.mvStyleVar_WindowPadding: (10, 8), dpg.mvStyleVar_FramePadding: (6, 4), dpg.mvStyleVar_ItemSpacing: (8, 5),
        dpg.mvStyleVar_ItemInnerSpacing: (6, 4), dpg.mvStyleVar_CellPadding: (6, 3),
    }  # fmt: skip
    single: dict[int, float] = {
        dpg.mvStyleVar_FrameRounding: 4, dpg.mvStyleVar_WindowRounding: 6, dpg.mvStyleVar_PopupRounding: 6,
        dpg.mvStyleVar_ChildRounding: 4, dpg.mvStyleVar_GrabRounding: 4, dpg.mvStyleVar_TabRounding: 4,
        dpg.mvStyleVar_ScrollbarSize: 12, dpg.mvStyleVar_GrabMinSize: 12, dpg.mvStyleVar_IndentSpacing: 16,
        dpg.mvStyleVar_ScrollbarRounding: 6,
    }  # fmt: skip
    with dpg.theme() as made, dpg.theme_component(dpg.mvAll):
        for target, colour in colours.items():
            dpg.add_theme_color(target, colour)
        for target, (x, y) in sizes.items():
            dpg.add_theme_style(target, x * scale, y * scale)
        for target, x in single.items():
            dpg.add_theme_style(target, x * scale)
    dpg.bind_theme(made)
