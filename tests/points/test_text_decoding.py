"""Text in the encodings that spreadsheets save."""

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.points.text_decoding import decode_text

TEXT = "image;x;y;class\r\nStraße.png;1;2;Gebäude\r\n"


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("latin-1", "Windows-1252 (Latin-1)"),
        ("cp1252", "Windows-1252 (Latin-1)"),
    ],
)
def test_encodings(encoding, name):
    assert decode_text(TEXT.encode(encoding)) == (TEXT, name)


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"a\x81b", TEXT.encode("utf-16")[:-1]])
def test_other_content_is_refused_with_the_way_to_save_it(content):
    with pytest.raises(UserError, match="in Excel choose the type 'CSV UTF-8'"):
        decode_text(content)


def test_nothing_is_text():
    assert decode_text(b"") == ("", None)
    assert decode_text(b"a") == ("a", None)
