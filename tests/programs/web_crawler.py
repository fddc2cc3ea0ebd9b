"""Crawls a small site that this program serves itself, on a loopback port: each page once, as many at a time as there are."""

import http.server
import re
import threading
import urllib.request

import ray

LINKS = {n: [2 * n, 2 * n + 1, n // 2] for n in range(1, 32)}  # a tree, with links back


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        number = int(self.path[1:])
        links = [link for link in LINKS.get(number, []) if link in LINKS]
        body = "".join(f'<a href="/{link}">{link}</a>' for link in links).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@ray.remote
class Visited:
    def __init__(self):
        self.paths = set()

    def claim(self, paths):
        fresh = [path for path in dict.fromkeys(paths) if path not in self.paths]
        self.paths.update(fresh)
        return fresh

    def all(self):
        return sorted(self.paths, key=lambda path: int(path[1:]))


@ray.remote
def crawl(base, path, visited):
    with urllib.request.urlopen(base + path, timeout=10) as page:
        links = re.findall(r'href="([^"]+)"', page.read().decode())
    return ray.get(visited.claim.remote(links))


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
ray.init(num_cpus=2)
visited = Visited.remote()
running = [crawl.remote(base, path, visited) for path in ray.get(visited.claim.remote(["/1"]))]
crawled = 0
while running:
    (done,), running = ray.wait(running)
    crawled += 1
    running += [crawl.remote(base, path, visited) for path in ray.get(done)]
server.shutdown()
server.server_close()
assert ray.get(visited.all.remote()) == [f"/{number}" for number in LINKS]
assert crawled == len(LINKS), crawled
print("crawled", crawled, "pages, each once")
