"""A mail server that takes every mail and sends none on: Debian's aiosmtpd.

Prints its port; appends each mail as a line of JSON to the file; refuses mail for now while the
file REFUSE is there. Arguments: a JSON object with file, refuse, certificate, key, implicit,
user, password."""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])


class Sink:
    async def handle_DATA(self, server, session, envelope):
        if os.path.exists(options["refuse"]):
            return "451 4.3.0 not now"
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or bool(options["implicit"]),
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "content": envelope.content.decode(),
        }
        with open(options["file"], "a") as file:
            file.write(json.dumps(mail) + "\n")
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    wanted = (options["user"].encode(), options["password"].encode())
    success = (data.login, data.password) == wanted
    return AuthResult(success=success, handled=False, auth_data=data)


def serve():
    context = None
    if options["certificate"]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options["certificate"], options["key"])
    arguments = {}
    if context and not options["implicit"]:
        arguments.update(tls_context=context, require_starttls=True)
    if options["user"]:
        arguments.update(
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=not options["implicit"],
        )
    return SMTP(Sink(), hostname="sink.invalid", **arguments), context


async def main():
    _, context = serve()
    implicit = context if options["implicit"] else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: serve()[0], "127.0.0.1", 0, ssl=implicit)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
