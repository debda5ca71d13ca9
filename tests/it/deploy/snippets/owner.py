import os, sys, threading, time, gateway
gateway.MOST = gateway.MOST_OPENS = 1

def say(*words):
    print(*words, flush=True)

def end(session, connection, code):
    say("ended", session, connection, code)
    raise RuntimeError("a mistake of the owner")

g = gateway.Gateway(os.environ["URL"], "gw-py", end)
for line in sys.stdin:
    order, *words = line.split()
    if order == "open":
        session, connection, user = words
        code, answer = g.open(session, connection, user, intent="user", protocol="vnc")
        if answer:
            assert g.ready(session, connection)["ready"]
        say("open", connection, code)
    elif order == "glance":
        codes = []
        visit = threading.Thread(target=lambda: codes.append(g.open(*words)[0]))
        visit.start()
        while words[1] not in g.users:
            time.sleep(0.001)
        g.close(words[1])
        say("left")
        visit.join()
        say("open", words[1], *codes)
    elif order == "close":
        g.close(*words, reason="tab closed")
        say("closed")
    elif order == "drain":
        g.drain()
        say("drained", g.open("s1", "late", "ann")[0])
