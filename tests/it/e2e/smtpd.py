"""An SMTP server (aiosmtpd) on a free port: one JSON line with the port, then one a message."""

import asyncio
import json

from aiosmtpd.smtp import SMTP


class Inbox:
    async def handle_DATA(self, server, session, envelope):
        data = envelope.original_content.decode("latin-1")
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "data": data}), flush=True)
        return "250 2.0.0 taken"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Inbox(), enable_SMTPUTF8=True), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
