"""Servers that the tests of the HTTP client ask: client_peer.py httpbin|flask|aiohttp.

Prints its port once it listens, and ends with its standard input.
"""
import os
import sys
import threading


def end_with_input():
    sys.stdin.buffer.read()
    os._exit(0)


def announce(port):
    print(port, flush=True)


def serve_wsgi(application):
    import logging
    from werkzeug.serving import WSGIRequestHandler, make_server

    logging.getLogger("werkzeug").disabled = True
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    server = make_server("127.0.0.1", 0, application, threaded=True)
    announce(server.server_port)
    server.serve_forever()


def flask_application():
    import flask

    application = flask.Flask(__name__)

    @application.post("/upload")
    def upload():
        files = {name: len(file.read()) for name, file in flask.request.files.items()}
        return flask.jsonify(form=flask.request.form.to_dict(), files=files)

    @application.get("/lines")
    def lines():
        return flask.Response((f"line {number}\n" for number in range(1000)), mimetype="text/plain")

    @application.get("/session")
    def session():
        count = int(flask.request.cookies.get("count", 0)) + 1
        response = flask.make_response(str(count))
        response.set_cookie("count", str(count), httponly=True, samesite="Lax")
        return response

    return application


def serve_aiohttp():
    import asyncio
    from aiohttp import web

    async def echo(request):
        body = await request.read()
        response = web.Response(body=body, content_type=request.content_type)
        response.enable_compression()
        return response

    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response

    async def consider(request):
        if request.headers.get("X-Refuse"):
            raise web.HTTPExpectationFailed()
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def main():
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/echo", echo)
        application.router.add_route("*", "/stream", stream)
        application.router.add_route("PUT", "/expect", echo, expect_handler=consider)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        announce(site._server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(main())


threading.Thread(target=end_with_input, daemon=True).start()
match sys.argv[1]:
    case "httpbin":
        from httpbin import app

        serve_wsgi(app)
    case "flask":
        serve_wsgi(flask_application())
    case "aiohttp":
        serve_aiohttp()
