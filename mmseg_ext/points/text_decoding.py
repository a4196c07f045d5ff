"""Text files in the encodings that spreadsheets save."""

import codecs

from mmseg_ext.errors import UserError

HOW_TO_SAVE = (
    "Save it as text in UTF-8: in Excel choose the type 'CSV UTF-8', in LibreOffice the character set 'Unicode (UTF-8)'"
)

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", None),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # begins with UTF-16's
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_PROBE = 64  # bytes: the first names are in ASCII


def decode_text(content: bytes) -> tuple[str, str | None]:
    """Decode a text file: UTF-8, UTF-16, or else Windows-1252, which holds Latin-1.

    Windows-1252 is a guess, as any encoding of one byte a letter is: names that it gets wrong match no image and no
    class.

    Returns:
        The text, and the encoding where it is not UTF-8.

    Raises:
        UserError: It is no text in these encodings; the message continues the file's name.
    """
    if content.startswith(b"PK\x03\x04"):
        raise UserError(f"is a workbook or an archive, no text. {HOW_TO_SAVE}.")
    encoding, name = _by_first_bytes(content)
    try:
        return content.decode(encoding), name
    except UnicodeDecodeError as error:
        if name is not None:
            raise UserError(f"is broken {name} ({error.reason}). {HOW_TO_SAVE}.") from error
    try:
        return content.decode("cp1252"), "Windows-1252 (Latin-1)"
    except UnicodeDecodeError as error:
        raise UserError(f"is text neither in UTF-8, UTF-16 nor Windows-1252 (Latin-1). {HOW_TO_SAVE}.") from error


def _by_first_bytes(content: bytes) -> tuple[str, str | None]:
    for mark, encoding, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding, name
    even, odd = (set(content[first:_PROBE:2]) for first in (0, 1))
    if odd == {0} or even == {0}:
        return ("utf-16-le", "UTF-16") if odd == {0} else ("utf-16-be", "UTF-16")
    return "utf-8", None
