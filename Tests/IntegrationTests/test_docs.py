"""Every page of docs/ is run as it stands (`pages.py` says how), every link leads somewhere, and the Spanish pages show
what the English ones do.
"""
from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree
from typing import Dict, Iterator, List, Tuple

import pytest

from broker import REPOSITORY
from pages import Block, Unavailable, blocks_of, run_page

DOCS = REPOSITORY / "docs"
SPANISH = DOCS / "es"
TRANSCRIPTS = REPOSITORY / ".build" / "transcripts"
# Blocks of a page that are not run, for the reason that stands above each: how many there are, so that none creeps in.
EXCUSED: Dict[str, int] = {
    "docs/es/quick-start.md": 2,
    "docs/operations/packages.md": 10,
    "docs/quick-start.md": 2,
}


def name_of(path: pathlib.Path) -> str:
    return str(path.relative_to(REPOSITORY))


def pages() -> List[pathlib.Path]:
    """All pages of docs/, also those that will be added."""
    return sorted(DOCS.rglob("*.md"))


def original_of(page: pathlib.Path) -> pathlib.Path:
    """The English page that a Spanish one translates."""
    return DOCS / page.relative_to(SPANISH)


def is_spanish(page: pathlib.Path) -> bool:
    return SPANISH in page.parents


@pytest.mark.parametrize("page", [page for page in pages() if not is_spanish(page)], ids=name_of)
def test_a_page_does_what_it_shows(page):
    transcript = (TRANSCRIPTS / page.relative_to(DOCS)).with_suffix(".txt")
    try:
        run_page(page, name_of(page), transcript)
    except Unavailable as missing:
        pytest.skip("%s needs: %s" % (name_of(page), missing))


def test_no_block_is_excused_that_was_not():
    found = {name_of(page): [block for block in blocks_of(page) if block.excuse] for page in pages()}
    for name, blocks in found.items():
        for block in blocks:
            print("%s:%d is not run: %s" % (name, block.line, block.excuse))
    counts = {name: len(blocks) for name, blocks in found.items() if blocks}
    assert counts == EXCUSED, "say in EXCUSED how many blocks of a page are not run"


# Pages in two languages


def shown(block: Block) -> Tuple[str, bool, List[str]]:
    """What must be the same in each language: all but comments."""
    lines = [re.sub(r"(^|\s+)(#|//) .*$", "", line) for line in block.lines]
    return block.language, bool(block.excuse), [line for line in lines if line.strip()]


@pytest.mark.parametrize("page", [page for page in pages() if is_spanish(page)], ids=name_of)
def test_a_spanish_page_shows_what_the_english_one_does(page):
    assert original_of(page).is_file(), "%s translates no page" % name_of(page)
    here, there = [
        [shown(block) for block in blocks_of(path, name_of(path)) if block.language != "text"]
        for path in (page, original_of(page))]
    for number, (ours, theirs) in enumerate(zip(here, there)):
        assert ours == theirs, "block %d of %s" % (number + 1, name_of(page))
    assert len(here) == len(there), name_of(page)
    assert images(page) == images(original_of(page)), name_of(page)


def test_pages_that_show_different_commands_are_not_taken_for_the_same():
    def block(text: str, excuse: str = "") -> Block:
        return Block("page.md", 1, "console", text.splitlines(), excuse)

    assert shown(block("$ cola queues  # all of them\n")) == shown(block("$ cola queues  # todas\n"))
    assert shown(block("$ cola queues\n")) != shown(block("$ cola topics\n"))
    assert shown(block("$ cola queues\n")) != shown(block("$ cola queues\nhello\n"))
    assert shown(block("$ cola queues\n")) != shown(block("$ cola queues\n", "no server"))


def test_the_quick_start_and_the_concepts_are_there_in_spanish():
    english = [DOCS / "quick-start.md", *sorted((DOCS / "concepts").glob("*.md"))]
    assert len(english) >= 4
    assert [page for page in english if not (SPANISH / page.relative_to(DOCS)).is_file()] == []


# Links and drawings


def without_code(text: str) -> str:
    text = re.sub(r"^( *)(```+).*?^\1\2 *$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda code: code.group(0).replace("](", "] ("), text)


def links(page: pathlib.Path) -> Iterator[Tuple[pathlib.Path, str]]:
    """The files that the links of a page lead to, and the place in them, if any."""
    for target in re.findall(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)", without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", target):
            continue
        path, _, anchor = target.partition("#")
        yield ((page.parent / path).resolve() if path else page), anchor


def images(page: pathlib.Path) -> List[pathlib.Path]:
    return [path for path, _ in links(page) if path.suffix == ".svg"]


def anchors(page: pathlib.Path) -> List[str]:
    """What GitHub calls the headings of a page: their words in lower case, joined by hyphens, counted if they recur."""
    found: List[str] = []
    text = re.sub(r"^( *)(```+).*?^\1\2 *$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", text, re.MULTILINE):
        heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = sum(1 for other in found if re.fullmatch(re.escape(slug) + r"(-\d+)?", other))
        found.append("%s-%d" % (slug, count) if count else slug)
    return found


def every_markdown_file() -> List[pathlib.Path]:
    found = [path for path in REPOSITORY.rglob("*.md") if not any(
        part.startswith(".") or part == "node_modules" for part in path.relative_to(REPOSITORY).parts)]
    assert REPOSITORY / "README.md" in found
    return found


def test_every_link_to_a_place_in_a_page_finds_its_heading():
    wrong = []
    for page in every_markdown_file():
        for path, anchor in links(page):
            if anchor and path.suffix == ".md" and anchor not in anchors(path):
                wrong.append("%s: there is no heading #%s in %s" % (name_of(page), anchor, name_of(path)))
    assert wrong == []


def test_headings_are_named_as_github_names_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# How to add …\n## Words, `code` & [a link](x.md)\n```sh\n# a comment\n```\n## Twice\n## Twice\n"
                    "## Prefetch: who gets the next?\n## Confirmación y más\n")
    assert anchors(page) == [
        "how-to-add-", "words-code--a-link", "twice", "twice-1", "prefetch-who-gets-the-next", "confirmación-y-más"]


def test_every_page_can_be_reached_from_the_index():
    reached, to_visit = set(), [DOCS / "README.md"]
    while to_visit:
        page = to_visit.pop()
        if page in reached or page.suffix != ".md" or DOCS not in page.parents:
            continue
        reached.add(page)
        to_visit += [path for path, _ in links(page) if path.is_file()]
    assert [name_of(page) for page in pages() if page not in reached] == []


def test_drawings_are_those_of_the_script():
    script = REPOSITORY / "scripts" / "drawings.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_every_drawing_is_used_and_says_what_it_shows():
    drawings = sorted((DOCS / "drawings").glob("*.svg"))
    used = {path for page in pages() for path in images(page)}
    assert [name_of(path) for path in drawings if path not in used] == []
    assert len(drawings) >= 20
    for path in drawings:
        root = xml.etree.ElementTree.parse(str(path)).getroot()
        title = root.find("{http://www.w3.org/2000/svg}title")
        assert title is not None and title.text and root.get("viewBox"), name_of(path)
    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"!\[\s*\]\(.*\)", text) == [], "%s: a drawing without a text in its place" % name_of(page)
