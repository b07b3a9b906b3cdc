"""What docs/verifying.md shows in other languages accepts what we sign, and nothing else.

Each snippet runs where its language is installed; the others are skipped by name.
"""

import base64
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from webhooksub import _core

PAGE = Path(__file__).parents[2] / "docs/verifying.md"
PLAIN = "It's a Secret to Everybody, says Zoë"
ENCODED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"data":{"name":"Zoë"}}'.encode() + b"\x00\xff\n"

# --- What is asked -------------------------------------------------------------------------

Asked = tuple[str, str, str, str, bytes]


def signed(
    *secrets: str, id_: str = "msg_1", age: int = 0, body: bytes = BODY, verify_with: str = ENCODED
) -> Asked:
    """Signed by the core, newest key first."""
    moment = int(time.time()) - age
    keys = [_core.decode_key(secret) for secret in secrets or (verify_with,)]
    _, signatures = _core.sign(keys, id_, moment, body)
    return verify_with, id_, str(moment), signatures, body


def but(asked: Asked, at: int, value: str | bytes) -> Asked:
    changed: list[str | bytes] = list(asked)
    changed[at] = value
    return tuple(changed)  # type: ignore[return-value]


def questions() -> Iterator[tuple[str, bool, Asked]]:
    """(why, what is right, what is asked)."""
    good = signed()
    moment = good[2]
    yield "an encoded secret", True, good
    yield "a plain secret", True, signed(verify_with=PLAIN)
    yield "the newer of two keys", True, signed(ENCODED, PLAIN)
    yield "the older of two keys", True, signed(PLAIN, ENCODED)
    yield "an empty body", True, signed(body=b"")
    yield "a large body", True, signed(body=os.urandom(1 << 20))
    yield "four minutes old", True, signed(age=240)
    yield "four minutes early", True, signed(age=-240)
    yield "another body", False, but(good, 4, BODY + b" ")
    yield "another id", False, but(good, 1, "msg_2")
    yield "another key", False, signed(PLAIN)
    yield "six minutes old", False, signed(age=360)
    yield "six minutes early", False, signed(age=-360)
    yield "a renewed timestamp", False, but(signed(age=1_000), 2, moment)
    yield "an unknown version", False, but(good, 3, good[3].replace("v1,", "v2,"))
    yield "half a signature", False, but(good, 3, good[3][:20])
    yield "a signature without its version", False, but(good, 3, good[3].removeprefix("v1,"))
    for n, name in ((1, "id"), (2, "timestamp"), (3, "signature")):
        yield f"no {name}", False, but(good, n, "")
    for text in ("1e9", "0x10", "-1", f"{moment}.0", f"{moment}\n", "9" * 30, "soon"):
        yield f"the timestamp {text!r}", False, but(good, 2, text)


# --- Who is asked --------------------------------------------------------------------------

# Each reads lines of five base64 words, and answers a line of true or false for each.
NODE = """
import { readFileSync } from "node:fs";
import { verify } from "./verify.mjs";
for (const line of readFileSync("asked", "utf8").trimEnd().split("\\n")) {
  const words = line.split("\\t").map((word) => Buffer.from(word, "base64"));
  console.log(verify(...words.slice(0, 4).map(String), words[4]));
}
"""
GO = """
package main
import ("encoding/base64"; "fmt"; "os"; "strings")
func main() {
	all, _ := os.ReadFile("asked")
	for _, line := range strings.Split(strings.TrimRight(string(all), "\\n"), "\\n") {
		var words []string
		for _, word := range strings.Split(line, "\\t") {
			raw, _ := base64.StdEncoding.DecodeString(word)
			words = append(words, string(raw))
		}
		fmt.Println(Verify(words[0], words[1], words[2], words[3], []byte(words[4])))
	}
}
"""
PHP = """<?php
require 'verify.php';
foreach (file('asked', FILE_IGNORE_NEW_LINES) as $line) {
    $words = array_map('base64_decode', explode("\\t", $line));
    echo verify(...$words) ? "true\\n" : "false\\n";
}
"""
RUBY = """
require_relative "verify"
File.readlines("asked", chomp: true).each do |line|
  words = line.split("\\t", -1).map { |word| Base64.decode64(word) }
  puts verify(*words)
end
"""
JAVA = """
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.Base64;
class Main {
    public static void main(String[] args) throws Exception {
        for (String line : Files.readAllLines(Path.of("asked"))) {
            byte[][] w = new byte[5][];
            String[] words = line.split("\\t", -1);
            for (int n = 0; n < 5; n++) w[n] = Base64.getDecoder().decode(words[n]);
            boolean fits =
                Webhooks.verify(text(w[0]), text(w[1]), text(w[2]), text(w[3]), w[4]);
            System.out.println(fits);
        }
    }
    static String text(byte[] b) { return new String(b, StandardCharsets.UTF_8); }
}
"""

LANGUAGES = {
    # runtime: (kind of block, its file, ours, our program, how it is made ready and run)
    "node": ("js", "verify.mjs", "main.mjs", NODE, ("node --check main.mjs", "node main.mjs")),
    "go": ("go", "verify.go", "main.go", GO, ("go build -o main verify.go main.go", "./main")),
    "php": ("php", "verify.php", "main.php", PHP, ("php -l main.php", "php main.php")),
    "ruby": ("ruby", "verify.rb", "main.rb", RUBY, ("ruby -c main.rb", "ruby main.rb")),
    "javac": (
        "java",
        "Webhooks.java",
        "Main.java",
        JAVA,
        ("javac Webhooks.java Main.java", "java -cp . Main"),
    ),
}


def snippet(kind: str) -> str:
    found = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks of {kind}"
    return str(found[0])


def run(folder: Path, command: str) -> str:
    environ = {"GOCACHE": str(folder / "go"), "GO111MODULE": "off"}
    done = subprocess.run(
        command.split(),
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def ask(folder: Path, command: str, asked: list[Asked]) -> list[bool]:
    words = [[w if isinstance(w, bytes) else w.encode() for w in line] for line in asked]
    lines = ["\t".join(base64.b64encode(w).decode() for w in line) for line in words]
    (folder / "asked").write_text("\n".join(lines) + "\n")
    return [{"true": True, "false": False}[line] for line in run(folder, command).split()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("runtime", list(LANGUAGES))
def test_a_snippet_accepts_what_we_sign_and_nothing_else(runtime: str, tmp_path: Path) -> None:
    if shutil.which(runtime) is None:
        pytest.skip(f"{runtime} is not installed")
    kind, name, ours, program, (ready, command) = LANGUAGES[runtime]
    (tmp_path / name).write_text(snippet(kind), encoding="utf-8")
    (tmp_path / ours).write_text(program)
    run(tmp_path, ready)
    wanted = list(questions())  # signed now, which a compiler may be long after
    answers = ask(tmp_path, command, [asked for _, _, asked in wanted])
    assert dict(zip((why for why, _, _ in wanted), answers, strict=True)) == {
        why: right for why, right, _ in wanted
    }


def test_every_snippet_of_the_page_is_run() -> None:
    kinds = set(re.findall(r"^```(\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert kinds == {kind for kind, *_ in LANGUAGES.values()}
