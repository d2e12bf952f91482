"""A hook of MkDocs: what pages link to outside docs/ becomes part of the site.

Pages of docs/ are also read in the repository, where they link to READMEs of recipes,
YAMLs and sources. Markdown files become pages, other files are copied, both below
``repository/``. A link to a folder leads to its README, or is no link without one.
"""

import os
import re
from pathlib import Path

from mkdocs.structure.files import File

REPOSITORY = Path(__file__).resolve().parents[2]
MOUNT = "repository"
LINK = re.compile(r"(\]\(|(?:src|href)=\")([^)\s\"#]+)")
TEXT_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
READ = ".md", ".ipynb"
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_files(files, config):
    """Add every file of the repository that a page leads to."""
    docs = Path(config.docs_dir)
    todo = [Path(f.abs_src_path) for f in files.documentation_pages()]
    done = set(todo)
    while todo:
        page = todo.pop()
        if page.suffix not in READ:
            continue
        for target in _targets(page):
            if target in done or target.is_relative_to(docs):
                continue
            done.add(target)
            todo.append(target)
            place, path = _place(target, config), str(target)
            files.append(File.generated(config, place, abs_src_path=path))
    return files


def on_page_markdown(markdown, page, config, files):
    """Point links at the places that their targets have on the site."""
    source = _repository_path(page.file, config)
    here = Path(page.file.src_uri).parent

    def moved(match):
        target = _target(source, match[2])
        if target is None:
            return match[0]
        return match[1] + os.path.relpath(_place(target, config), here)

    def plain(match):
        folder = (source.parent / match[2]).is_dir()
        return (
            match[1] if folder and not _target(source, match[2]) else match[0]
        )

    def rewritten(text):
        return LINK.sub(moved, TEXT_LINK.sub(plain, text))

    # Code may hold brackets that look like links.
    parts, last = [], 0
    for code in CODE.finditer(markdown):
        parts += [rewritten(markdown[last : code.start()]), code[0]]
        last = code.end()
    return "".join([*parts, rewritten(markdown[last:])])


def on_page_content(html, page, config, files):
    """Point the links of notebooks, which are HTML already, at pages."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    source = _repository_path(page.file, config)

    def moved(match):
        target = _target(source, match[2])
        found = target and files.get_file_from_path(_place(target, config))
        if not found:
            return match[0]
        return match[1] + found.url_relative_to(page.file)

    return LINK.sub(moved, html)


def _repository_path(file, config):
    """Where a page of the site is in the repository."""
    uri = Path(file.src_uri)
    if uri.parts[0] == MOUNT:
        return REPOSITORY / uri.relative_to(MOUNT)
    return Path(config.docs_dir) / uri


def _targets(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target = _target(page, match[2])
        if target is not None:
            yield target


def _target(page, link):
    """The file that a link leads to, None if it leaves the repository."""
    if re.match(r"[a-z]+:", link):
        return None
    target = (page.parent / link).resolve()
    if target.is_dir():
        target = target / "README.md"
    known = target.is_file() and target.is_relative_to(REPOSITORY)
    return target if known else None


def _place(path, config):
    """Where a file of the repository is among the sources of the site."""
    docs = Path(config.docs_dir)
    if path.is_relative_to(docs):
        return path.relative_to(docs).as_posix()
    return f"{MOUNT}/{path.relative_to(REPOSITORY).as_posix()}"
