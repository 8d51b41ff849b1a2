"""Reads a page as a browser does: its links, ids, headings, and what must not be in it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from tests.browser.conftest import World

#: elements that stand apart from the text before them
_BLOCKS = frozenset(
    {"dt", "dd", "td", "th", "li", "p", "h1", "h2", "h3", "h4", "pre", "section", "option", "small", "br"}
)


@dataclass
class Page(HTMLParser):
    """A page that was read."""

    html: str
    links: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    #: attributes that the policy forbids: style, on…
    forbidden: list[str] = field(default_factory=list)
    inline_scripts: int = 0
    h1: int = 0
    text: str = ""
    #: tables and scrolling regions without a name
    unnamed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._silent = 0
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.text += " " if tag in _BLOCKS else ""
        self.links += [value for name in ("href", "src", "hx-get") if (value := named.get(name)) is not None]
        if named.get("id"):
            self.ids.append(str(named["id"]))
        self.forbidden += [f"{tag} {name}" for name in named if name == "style" or name.startswith("on")]
        self.h1 += tag == "h1"
        if tag in ("script", "style"):
            self._silent += 1
            self.inline_scripts += "src" not in named
        if (tag == "table" or "tabindex" in named) and "aria-label" not in named:
            self.unnamed.append(self.get_starttag_text() or tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())


def read(world: World, path: str, status: int = 200) -> Page:
    answer = world.client.get(path)
    assert answer.status_code == status, (path, answer.status_code)
    return Page(answer.text)
