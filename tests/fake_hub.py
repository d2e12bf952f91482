"""The hub's HTTP API on this machine, as far as its client pushes and fetches.

Repositories with commits, tags and large files (Git LFS), in memory. Every request
is recorded.
"""

import base64
import fnmatch
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit

LARGE = "*.safetensors", "*.png", "*.flac"  # Git LFS, as the hub chooses


class FakeHub(ThreadingHTTPServer):
    """A hub with one user, whose token is ``token``."""

    daemon_threads = True

    def __init__(self, token="hf_secret"):
        super().__init__(("127.0.0.1", 0), Requests)
        self.token, self.lock = token, Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos = {}  # id -> {"private", "commits": {oid: files}, "refs"}
        self.objects = {}  # Git LFS: sha256 -> bytes
        self.requests = []
        Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    def files(self, repo_id, revision="main"):
        """Path -> bytes of a version, and its commit."""
        repo = self.repos[repo_id]
        oid = repo["refs"].get(revision, revision)
        return repo["commits"][oid], oid


class Requests(BaseHTTPRequestHandler):
    """Answers of the hub."""

    protocol_version = "HTTP/1.1"

    ROUTES = (
        ("POST", r"/api/repos/create", "create"),
        ("GET", r"/api/models/(.+)/refs", "refs"),
        ("POST", r"/api/models/(.+)/preupload/(.+)", "preupload"),
        ("POST", r"/(.+)\.git/info/lfs/objects/batch", "batch"),
        ("PUT", r"/lfs/(\w+)", "put"),
        ("POST", r"/api/validate-yaml", "validate"),
        ("POST", r"/api/models/(.+)/commit/(.+)", "commit"),
        ("POST", r"/api/models/(.+)/tag/(.+)", "tag"),
        ("GET", r"/api/models/(.+?)/revision/(.+)", "info"),
        ("GET", r"/api/models/(.+?)/tree/([^/]+)", "tree"),
        ("HEAD", r"/(.+?)/resolve/([^/]+)/(.+)", "resolve"),
        ("GET", r"/(.+?)/resolve/([^/]+)/(.+)", "resolve"),
    )

    def handle_one(self):
        path = unquote(urlsplit(self.path).path)
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.server.requests.append((self.command, path))
        known = (
            self.headers.get("Authorization") == f"Bearer {self.server.token}"
        )
        if self.command == "POST" and not known:
            return self.answer(401, {"error": "Invalid username or password."})
        for method, pattern, name in self.ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == self.command:
                with self.server.lock:
                    try:
                        return getattr(self, name)(*found.groups())
                    except KeyError:
                        return self.missing()
        return self.missing()

    do_GET = do_POST = do_PUT = do_HEAD = handle_one

    def log_message(self, *args):
        """Print nothing."""

    def answer(self, status, content, **headers):
        raw = content if isinstance(content, bytes) else json.dumps(content)
        raw = raw if isinstance(raw, bytes) else raw.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def missing(self):
        self.answer(404, {"error": "Not found"}, X_Error_Code="RepoNotFound")

    def create(self):
        told = json.loads(self.body)
        repo_id = f"{told['organization']}/{told['name']}"
        if repo_id in self.server.repos:
            return self.answer(409, {"error": "exists", "url": repo_id})
        first = hashlib.sha1(repo_id.encode()).hexdigest()
        self.server.repos[repo_id] = {
            "private": told.get("private", False)  # of older clients
            or told.get("visibility") == "private",
            "commits": {first: {".gitattributes": b""}},
            "refs": {"main": first},
            "tags": [],
        }
        return self.answer(200, {"url": f"{self.server.url}/{repo_id}"})

    def refs(self, repo_id):
        repo = self.server.repos[repo_id]

        def described(names, kind):
            return [
                {"name": x, "ref": f"{kind}/{x}", "targetCommit": "0"}
                for x in names
            ]

        tags = described(repo["tags"], "refs/tags")
        heads = described(["main"], "refs/heads")
        self.answer(200, {"branches": heads, "tags": tags, "converts": []})

    def preupload(self, repo_id, revision):
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_large(file["path"]) else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for file in json.loads(self.body)["files"]
        ]
        self.answer(200, {"files": files})

    def batch(self, repo_id):
        objects = []
        for each in json.loads(self.body)["objects"]:
            href = f"{self.server.url}/lfs/{each['oid']}"
            objects.append({**each, "actions": {"upload": {"href": href}}})
        self.answer(200, {"transfer": "basic", "objects": objects})

    def put(self, oid):
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.server.objects[oid] = self.body
        self.answer(200, b"")

    def validate(self):
        head = json.loads(self.body)["content"]
        wrong = [] if head.startswith("---\n") else [{"message": "no YAML"}]
        self.answer(200, {"errors": wrong, "warnings": []})

    def commit(self, repo_id, revision):
        repo = self.server.repos[repo_id]
        files = dict(self.server.files(repo_id, revision)[0])
        for line in self.body.splitlines():
            entry = json.loads(line)
            key, value = entry["key"], entry["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        oid = hashlib.sha1(self.body).hexdigest()
        repo["commits"][oid], repo["refs"][revision] = files, oid
        url = f"{self.server.url}/{repo_id}/commit/{oid}"
        self.answer(200, {"commitUrl": url, "commitOid": oid})

    def tag(self, repo_id, revision):
        name, repo = json.loads(self.body)["tag"], self.server.repos[repo_id]
        repo["refs"][name] = self.server.files(repo_id, revision)[1]
        repo["tags"].append(name)
        self.answer(200, {})

    def info(self, repo_id, revision):
        files, oid = self.server.files(repo_id, revision)
        siblings = [{"rfilename": path} for path in files]
        told = {"id": repo_id, "sha": oid, "siblings": siblings}
        told |= {"private": self.server.repos[repo_id]["private"], "tags": []}
        self.answer(200, told)

    def tree(self, repo_id, revision):
        files, _ = self.server.files(repo_id, revision)
        self.answer(
            200,
            [
                {
                    "type": "file",
                    "path": path,
                    "size": len(data),
                    "oid": hashlib.sha1(data).hexdigest(),
                }
                for path, data in files.items()
            ],
        )

    def resolve(self, repo_id, revision, path):
        files, oid = self.server.files(repo_id, revision)
        etag = f'"{hashlib.sha1(files[path]).hexdigest()}"'
        self.answer(200, files[path], ETag=etag, X_Repo_Commit=oid)


def is_large(path):
    return any(fnmatch.fnmatch(path, each) for each in LARGE)
