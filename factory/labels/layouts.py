"""What a scanner's keys come out as where the computer expects another keyboard.

A scanner sends the keys of a US keyboard. Each row is what the same keys, in the same order, give with another layout.
"""

from __future__ import annotations

from collections.abc import Iterator

_US = "qwertyuiop[]asdfghjkl;'zxcvbnm,./"
_LAYOUTS = {
    "Dvorak": "',.pyfgcrl/=aoeuidhtns-;qjkxbmwvz",
    "Colemak": "qwfpgjluy;[]arstdhneio'zxcvbkm,./",
    "Turkish F": "fgğıodrnhpqwuieaütkmlyşjövcçzsb.,",  # noqa: RUF001
    "Russian": "йцукенгшщзхъфывапролджэячсмитьбю.",
    "Greek": ";ςερτυθιοπ[]ασδφγηξκλ΄'ζχψωβνμ,./",  # noqa: RUF001
    "Hebrew": "/'קראטוןםפ][שדגכעיחלךף,זסבהנמצתץ.",
    "Arabic": "ضصثقفغعهخحجدشسيبلاتنمكطئءؤرﻻىةوزظ",
    "Thai": "ๆไำพะัีรนยบลฟหกดเ้่าสวงผปแอิืทมใฝ",
    "Korean": "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ[]ㅁㄴㅇㄹㅎㅗㅓㅏㅣ;'ㅋㅌㅊㅍㅠㅜㅡ,./",
    "Japanese kana": "たていすかんなにらせ゛゜ちとしはきくまのりれけつさそひこみもねるめ",
}


def typed_elsewhere(text: str) -> Iterator[tuple[str, str]]:
    """What the scanner may have sent, for each layout that could have made this text: the layout's name and that."""
    lowered = text.lower()
    for name, keys in _LAYOUTS.items():
        back = dict(zip(keys, _US, strict=True))
        if all(character in back or character.isspace() for character in lowered):
            yield name, "".join(back.get(character, character) for character in lowered)
