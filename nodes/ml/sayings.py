"""Sentences for the speech synthesizer, written for zrack and free for any use, and the voices that say them."""

from __future__ import annotations

from typing import Any

import numpy as np

VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5", "croak", "whisper", "klatt2", "klatt4",
)  # fmt: skip
"""Of espeak-ng's voices, from men's over women's to hoarse, whispered and Klatt's."""

TEXTS: dict[str, tuple[str, ...]] = {
    "en-us": (
        "A small boat crosses the bay before the fog comes in.",
        "Who left the window open, and why is the kettle singing?",
        "Seven green lamps hang above the empty workshop.",
        "Turn the wheel slowly, then listen to what it says.",
        "We counted the waves until nobody remembered the number.",
        "Yes! No! Wait for me at the old bridge!",
        "The cat in the hallway is asking for its breakfast.",
        "Between two thunderclaps there was a very long silence.",
        "She folds the map, looks up, and starts to hum.",
        "Rain on a tin roof makes a thousand little drums.",
    ),
    "en-gb": (
        "Please mind the piano while we carry the sofa upstairs.",
        "The garden gate creaks whenever the north wind blows.",
        "Every voice is a room that somebody walks through.",
        "Oh, what a glorious, ridiculous, wonderful noise!",
        "He measured the field with a string and a good deal of hope.",
        "Quietly now: the owls are rehearsing.",
    ),
    "de": (
        "Der alte Zug hält heute nicht in unserem Dorf.",
        "Am Morgen liegt der Nebel zwischen den Hügeln wie Milch.",
        "Wer hat die Uhr gehört, bevor sie stehen blieb?",
        "Zwölf Boxen, ein Kabel und kein Strom!",
        "Leise rollt der Donner über die Dächer der Stadt.",
        "Ich suche einen Ton, der nach Schnee klingt.",
    ),
    "fr-fr": (
        "Le boulanger chante pendant que la ville dort encore.",
        "Une goutte tombe, puis une autre, et le seau déborde.",
        "Où est passée la lumière que nous avions allumée hier ?",
        "Les oiseaux bavardent au-dessus du vieux marché.",
        "Doucement, doucement, la machine se réveille.",
    ),
    "es": (
        "La luna cuelga sobre el puerto como una campana.",
        "Nadie sabe quién toca la guitarra en el patio.",
        "Corre, corre, que la lluvia ya viene bajando el monte.",
        "Tengo tres llaves y ninguna abre esta puerta.",
        "El río repite siempre la misma pregunta.",
    ),
    "it": (
        "La nonna conta le stelle e sbaglia sempre di una.",
        "Piove da tre giorni e la strada è diventata un fiume.",
        "Chi suona laggiù, oltre il muro del giardino?",
        "Un filo di vento basta per muovere tutta la tenda.",
    ),
    "sv": (
        "Snön faller tyst över den gamla båten vid bryggan.",
        "Vem sjunger så sent i det gula huset?",
        "Vi väntar på solen och räknar sekunderna.",
    ),
    "pl": (
        "Zegar w kuchni tyka głośniej niż zwykle.",
        "Wiatr przewraca kartki książki, której nikt nie czyta.",
        "Kto zgasił światło nad rzeką?",
    ),
    "fi": (
        "Järvi on jäässä ja ilta laskeutuu hiljaa.",
        "Kuka soittaa harmonikkaa metsän laidalla?",
        "Kissa nukkuu lämpimän uunin päällä.",
    ),
    "pt": (
        "O vento fecha a porta e abre a janela.",
        "As ondas guardam a voz de quem partiu.",
        "Amanhã cedo vamos ouvir o sino da aldeia.",
    ),
}


def saying(rng: np.random.Generator, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """What to say, and how: language, voice, text, pitch 0 to 99, speed in words a minute, amplitude to 200.

    `only` names languages.
    """
    languages = [name for name in TEXTS if not only or name in only]
    counts = np.array([len(TEXTS[name]) for name in languages], np.float64)
    language = str(rng.choice(languages, p=counts / counts.sum()))
    text = TEXTS[language][rng.integers(len(TEXTS[language]))]
    voice = f"{language}+{rng.choice(VARIANTS)}"
    return {
        "language": language, "voice": voice, "text": text, "pitch_setting": int(rng.integers(10, 95)),
        "speed": int(rng.integers(105, 215)), "amplitude": int(rng.integers(40, 101)),
    }  # fmt: skip
