"""A hook of mkdocs: pages link to files by their place in the repository, as code hosts show them; the site has them, too.

README.md is the site's first page, docs/x.md is x.md, and what else a page links to keeps its place.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
FIRST_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/NOTES.md")


def place_on_site(source: str) -> str:
    """Of a file of the repository."""
    return "index.md" if source == "README.md" else source.removeprefix("docs/")


def place_in_repository(page: str) -> str:
    """The file that a page is made of: the inverse of `place_on_site`."""
    if page == "index.md":
        return "README.md"
    return f"docs/{page}" if (ROOT / "docs" / page).exists() else page


def linked_files(source: str) -> list[str]:
    """Files of the repository that the page ``source`` links to."""
    folder = posixpath.dirname(source)
    targets = [posixpath.normpath(posixpath.join(folder, m["target"])) for m in LINK.finditer((ROOT / source).read_text())]
    return [target for target in targets if (ROOT / target).is_file()]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    waiting = [*FIRST_PAGES, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    known = set(waiting)
    while waiting:
        source = waiting.pop()
        if files.get_file_from_path(place_on_site(source)) is None:
            files.append(File.generated(config, place_on_site(source), abs_src_path=str(ROOT / source)))
        if source.endswith(".md"):
            found = [target for target in linked_files(source) if target not in known]
            known.update(found)
            waiting += found
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    source = place_in_repository(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["target"]))
        if ":" in link["target"] or not (ROOT / target).is_file():
            return link[0]
        here = posixpath.dirname(page.file.src_uri)
        return posixpath.relpath(place_on_site(target), here or ".") + (link["anchor"] or "")

    return LINK.sub(moved, markdown)
