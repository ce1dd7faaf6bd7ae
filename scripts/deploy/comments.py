"""Stands in for the servers of GitLab and Bitbucket: takes a comment for each, and compares it with a report.

Prints its port, then a line for each request. Ends with 1 if a comment, an address or a token is not as expected.
"""

import http.server
import json
import sys

REPORT = open(sys.argv[1], encoding="utf-8").read()
EXPECTED = {
    "/api/v4/projects/9/merge_requests/3/notes": ("PRIVATE-TOKEN", "secret", lambda body: body["body"]),
    "/2.0/repositories/me/model/pullrequests/3/comments": (
        "Authorization",
        "Bearer secret",
        lambda body: body["content"]["raw"],
    ),
}
failures = 0


class Comments(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global failures
        header, token, text = EXPECTED[self.path]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = self.headers[header] == token and text(body) == REPORT
        failures += not right
        print(self.path, "right" if right else "wrong", flush=True)
        self.send_response(201 if right else 400)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Comments)
server.timeout = 60
print(server.server_port, flush=True)
for _ in EXPECTED:
    server.handle_request()
sys.exit(1 if failures else 0)
