"""The router of a node: the configuration of nginx for a list of realms (rules.md#http-between-shards).

What computes the key of an account is a script for njs, the JavaScript of nginx, beside it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from swpt_accounts.rules.node import wrong_realms
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.routing import Realm

MODULE: Final = "/usr/lib/nginx/modules/ngx_http_js_module.so"
"""Where Debian's package libnginx-mod-http-js has it."""

CONFIGURATION: Final = "nginx.conf"
SCRIPT: Final = "router.js"

_PART: Final = re.compile(r"((?:[01]\.){0,20}#)=([A-Za-z0-9._:,\[\]-]+)")
_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")

_NGINX: Final = """\
# The router of a node, for its shards only: made by `swpt-accounts router`.
load_module %(module)s;
worker_processes auto;
pid %(folder)s/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
    js_import router from %(folder)s/%(script)s;
    js_set $shard router.shard;
    access_log off;
    server_tokens off;
    client_max_body_size 64k;
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
%(upstreams)s
    server {
        listen %(listen)s;
        default_type text/plain;
        location = /accounts/healthz { return 200 "I am healthy\\n"; }
        location / {
            # Never 404, which would mean that an account does not accept transfers.
            if ($shard = "") { return 503 "No shard has this account.\\n"; }
            # Nothing is kept, and nobody is asked twice: the asker does that himself.
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_connect_timeout 2s;
            proxy_read_timeout 15s;
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 2;
            proxy_pass http://$shard;
        }
    }
}
"""

_UPSTREAM: Final = """\
    upstream %(name)s {
%(servers)s
        keepalive 64;
        keepalive_timeout 30s;
    }
"""

_JS: Final = """\
// Which shard has an account: the first bits of MD5 over both ids, as 64-bit numbers, big-endian.
import crypto from 'crypto';

const SHARDS = %(shards)s;

// The eight bytes of an unsigned number, or null.
function bytesOf(text) {
    if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) {
        return null;
    }
    const bytes = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < text.length; i++) {
        let carry = text.charCodeAt(i) - 48;
        for (let place = 7; place >= 0; place--) {
            carry += bytes[place] * 10;
            bytes[place] = carry & 255;
            carry >>= 8;
        }
        if (carry) {
            return null;
        }
    }
    return bytes;
}

function bitsOf(debtor, creditor) {
    const digest = crypto.createHash('md5').update(Buffer.from(debtor.concat(creditor))).digest('hex');
    return (0x1000000 + parseInt(digest.slice(0, 6), 16)).toString(2).slice(1);
}

function shard(r) {
    const words = r.uri.split('/');
    if (words.length == 4 && words[1] == 'realms') {
        return /^[01]{1,20}$/.test(words[2]) ? SHARDS[words[2]] || '' : '';
    }
    if (words.length != 5 || words[1] != 'accounts') {
        return '';
    }
    const debtor = bytesOf(words[2]);
    const creditor = bytesOf(words[3]);
    if (debtor === null || creditor === null) {
        return '';
    }
    const bits = bitsOf(debtor, creditor);
    for (let length = 0; length <= 20; length++) {
        const found = SHARDS[bits.slice(0, length)];
        if (found) {
            return found;
        }
    }
    return '';
}

export default { shard };
"""


def parts_of(texts: Sequence[str]) -> dict[Realm, list[str]]:
    """The addresses of each realm, from words like `0.#=host:8080,other:8080`.

    Raises OperatorError if one can not be read, or if they leave a gap or overlap.
    """
    parts: dict[Realm, list[str]] = {}
    named = []
    for text in texts:
        match = _PART.fullmatch(text)
        addresses = match[2].split(",") if match else []
        if match is None or not all(_ADDRESS.fullmatch(address) for address in addresses):
            raise OperatorError(f"{text}: must be like 0.#=host:8080, or 0.#=host:8080,other:8080")
        realm = Realm.parse(match[1])
        named.append((realm, addresses[0]))
        parts[realm] = addresses
    for wrong in wrong_realms(named):
        raise OperatorError(wrong)
    return parts


def files_of(
    parts: Mapping[Realm, Sequence[str]], *, folder: str, listen: str, module: str
) -> dict[str, str]:
    """The files of the router, by their names in the folder in which they will be."""
    names = {realm: f"shard_{realm.digits or 'all'}" for realm in sorted(parts)}
    upstreams = "".join(
        _UPSTREAM
        % {
            "name": names[realm],
            "servers": "\n".join(f"        server {one} max_fails=0;" for one in parts[realm]),
        }
        for realm in names
    )
    values = {
        "folder": folder,
        "listen": listen,
        "module": module,
        "script": SCRIPT,
        "upstreams": upstreams.rstrip("\n"),
    }
    shards = json.dumps({realm.digits: name for realm, name in names.items()}, indent=4)
    return {CONFIGURATION: _NGINX % values, SCRIPT: _JS % {"shards": shards}}
