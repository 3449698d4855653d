"""Words of a text, compared with what SQLite's own tokenizer makes of the same."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from chat_service.directory.words import words_of

# Latin, Greek, Cyrillic, Hebrew, Arabic, Thai, kana, Han, Hangul: what both know in the same way. SQLite takes
# characters that are younger than its tables for letters, and Python takes them for what they are.
SCRIPTS = (
    *(range(0x01, 0x1E0), range(0x1E2, 0x305), range(0x370, 0x37F), range(0x384, 0x528), range(0x5D0, 0x605)),
    *(range(0x620, 0x700), range(0xE01, 0xE5C), range(0x1E00, 0x2000), range(0x3041, 0x3097)),
    *(range(0x30A1, 0x30FF), range(0x4E00, 0x9FCC), range(0xAC00, 0xD7A4)),
)
CHARACTERS = [chr(code) for codes in SCRIPTS for code in codes if unicodedata.category(chr(code)) != "Cn"]


def sqlite_words(texts: list[str]) -> list[list[str]]:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'unicode61 remove_diacritics 2')")
    db.execute("CREATE VIRTUAL TABLE words USING fts5vocab(texts, instance)")
    db.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", enumerate(texts))
    found = defaultdict(list)
    for number, word in db.execute("SELECT doc, term FROM words ORDER BY doc, offset"):
        found[number].append(word)
    db.close()
    return [found[number] for number in range(len(texts))]


def test_every_character_is_in_a_word_what_it_is_to_sqlite() -> None:
    texts = [f"x{character}y" for character in CHARACTERS]
    assert [words_of(text) for text in texts] == sqlite_words(texts)


@given(st.lists(st.text(st.sampled_from(CHARACTERS), max_size=40), max_size=20))
def test_texts_fall_apart_as_they_do_in_sqlite(texts: list[str]) -> None:
    assert [words_of(text) for text in texts] == sqlite_words(texts)


def test_what_stands_between_words_is_no_part_of_them() -> None:
    assert words_of("Don't cre\u0301me-brûlée, 2nd_ÉTÉ: 🙂 İstanbul") == [
        *("don", "t", "creme", "brulee", "2nd", "ete", "istanbul")
    ]
    assert words_of("\u0301 .,;\n\x00") == []
