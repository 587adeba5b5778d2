#!/usr/bin/env python3
"""Draws the pictures of docs/drawings: one look for all, names for labels, no words that would have to be translated.

    scripts/drawings.py           # writes them
    scripts/drawings.py --check   # complains about those that differ

A process is blue, a queue amber, an exchange violet, a topic green; what failed is red.
"""
from __future__ import annotations

import argparse
import pathlib
import sys
from typing import List, Optional, Sequence, Tuple
from xml.sax.saxutils import escape

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "docs" / "drawings"
Point = Tuple[float, float]

INK, FAINT, PAPER, EDGE = "#22252b", "#6d7178", "#fbfaf7", "#d8d4cc"
PROCESS = ("#dbe8f6", "#3a6ea5")
WAITING = ("#f1f1ee", "#9a9c9f")
QUEUE = ("#fbe6c4", "#b27a1c")
EXCHANGE = ("#e6def4", "#6a4fa3")
TOPIC = ("#d9ecdc", "#3c7d4d")
DEAD = ("#f6d9d6", "#b0413a")
NAMES = "DejaVu Sans, Verdana, sans-serif"
CODE = "DejaVu Sans Mono, Menlo, Consolas, monospace"
CELL = 26


class Box:
    """Something that arrows begin and end at: its middle and half of its sides."""

    def __init__(self, x: float, y: float, width: float, height: float):
        self.x, self.y, self.width, self.height = x, y, width / 2, height / 2

    def at(self, side: str, shift: float = 0) -> Point:
        """A place on its edge: `n`, `e`, `s` or `w`, so far from the middle of that side."""
        return {
            "n": (self.x + shift, self.y - self.height), "s": (self.x + shift, self.y + self.height),
            "e": (self.x + self.width, self.y + shift), "w": (self.x - self.width, self.y + shift)}[side]


class Drawing:
    """One picture, as parts that are added from back to front."""

    def __init__(self, name: str, title: str, width: int, height: int):
        self.name, self.title, self.width, self.height = name, title, width, height
        self.parts: List[str] = []

    # Things

    def process(self, x: float, y: float, label: str, colours=PROCESS, width: float = 0) -> Box:
        """A rounded box: whoever publishes, consumes or works."""
        width = width or max(56, 22 + 9 * len(label))
        self.rectangle(x, y, width, 38, colours, radius=12)
        self.text(x, y + 5, label, weight="bold")
        return Box(x, y, width, 38)

    def exchange(self, x: float, y: float, label: str, kind: str = "") -> Box:
        """A rhomb."""
        half = 30.0
        points = " ".join("%g,%g" % point for point in [
            (x - half - 8, y), (x, y - half), (x + half + 8, y), (x, y + half)])
        self.parts.append('<polygon points="%s" fill="%s" stroke="%s" stroke-width="1.6"/>' % (points, *EXCHANGE))
        self.text(x, y + 5, "X", weight="bold")
        self.text(x, y + half + 18, label, family=CODE)
        if kind:
            self.text(x, y - half - 9, kind, colour=FAINT)
        return Box(x, y, 2 * half + 16, 2 * half)

    def queue(
        self, x: float, y: float, label: str, cells: Sequence[str] = ("", "", "", ""), colours=QUEUE,
        marked: Sequence[int] = (), gone: Sequence[int] = (), width: float = CELL, below: bool = True
    ) -> Box:
        """A row of places; `x` is the middle. Those `marked` are red, those `gone` are empty and dashed."""
        left = x - width * len(cells) / 2
        for index, cell in enumerate(cells):
            fill, line = DEAD if index in marked else colours
            middle = left + width * (index + 0.5)
            if index in gone:
                self.rectangle(middle, y, width, 30, ("none", line), dashed=True, thin=True)
            else:
                self.rectangle(middle, y, width, 30, (fill, line), thin=True)
            if cell:
                self.text(middle, y + 5, cell, size=13, colour=FAINT if index in gone else INK)
        if label:
            self.text(x, y + (33 if below else -23), label, family=CODE)
        return Box(x, y, width * len(cells), 30)

    def log(self, left: float, y: float, label: str, cells: Sequence[str], **more) -> Box:
        """A partition, open to the right: records are added there."""
        width = more.pop("width", CELL)
        box = self.queue(left + width * len(cells) / 2, y, "", cells, TOPIC, width=width, **more)
        right = left + width * len(cells)
        self.parts.append(
            '<path d="M%g,%g h18 M%g,%g h18" stroke="%s" stroke-width="1.2" stroke-dasharray="3 3" fill="none"/>' % (
                right, y - 15, right, y + 15, TOPIC[1]))
        if label:
            self.text(left - 12, y + 5, label, family=CODE, anchor="end")
        return Box(box.x + 9, y, 2 * box.width + 18, 30)

    def frame(self, x: float, y: float, width: float, height: float, label: str) -> Box:
        """A dashed border around what belongs together."""
        self.rectangle(x, y, width, height, ("none", FAINT), radius=10, dashed=True, thin=True)
        self.text(x - width / 2 + 10, y - height / 2 - 7, label, colour=FAINT, anchor="start", family=CODE)
        return Box(x, y, width, height)

    # Lines

    def arrow(
        self, start: Point, end: Point, label: str = "", bend: float = 0, dashed: bool = False, colour: str = INK,
        shift: Point = (0, -8), anchor: str = "middle"
    ) -> None:
        """From one place to another; `bend` is how far its middle lies to the left of the straight line."""
        (x1, y1), (x2, y2) = start, end
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 or 1
        middle = ((x1 + x2) / 2 + bend * (y2 - y1) / length, (y1 + y2) / 2 - bend * (x2 - x1) / length)
        control = (2 * middle[0] - (x1 + x2) / 2, 2 * middle[1] - (y1 + y2) / 2)
        self.parts.append(
            '<path d="M%.1f,%.1f Q%.1f,%.1f %.1f,%.1f" fill="none" stroke="%s" stroke-width="1.6"%s'
            ' marker-end="url(#%s)"/>'
            % (x1, y1, *control, x2, y2, colour, ' stroke-dasharray="5 4"' if dashed else "",
               "red" if colour == DEAD[1] else "ink"))
        if label:
            self.text(middle[0] + shift[0], middle[1] + shift[1], label, size=13, family=CODE, anchor=anchor,
                      colour=colour)

    def line(self, start: Point, end: Point, dashed: bool = False, colour: str = FAINT, thick: float = 1.2) -> None:
        self.parts.append('<path d="M%.1f,%.1f L%.1f,%.1f" stroke="%s" stroke-width="%g"%s/>' % (
            *start, *end, colour, thick, ' stroke-dasharray="4 4"' if dashed else ""))

    def rectangle(
        self, x: float, y: float, width: float, height: float, colours: Tuple[str, str], radius: float = 2,
        dashed: bool = False, thin: bool = False
    ) -> None:
        self.parts.append(
            '<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%g" fill="%s" stroke="%s" stroke-width="%s"%s/>' % (
                x - width / 2, y - height / 2, width, height, radius, *colours, "1.2" if thin else "1.6",
                ' stroke-dasharray="4 3"' if dashed else ""))

    def text(
        self, x: float, y: float, text: str, size: int = 14, family: str = NAMES, anchor: str = "middle",
        weight: str = "normal", colour: str = INK
    ) -> None:
        # The paper's colour around the letters keeps them readable where a line crosses them.
        halo = ' stroke="%s" stroke-width="4" paint-order="stroke" stroke-linejoin="round"' % PAPER
        self.parts.append(
            '<text x="%.1f" y="%.1f" font-family="%s" font-size="%d" font-weight="%s" text-anchor="%s" fill="%s"%s>%s'
            "</text>" % (x, y, family, size, weight, anchor, colour, halo if colour == FAINT or family == CODE else "",
               escape(text)))

    def svg(self) -> str:
        marker = (
            '<marker id="%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0,1 L10,5 L0,9 z" fill="%s"/></marker>')
        return "\n".join([
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">' % (
                self.width, self.height, self.width, self.height),
            "<title>%s</title>" % escape(self.title),
            "<defs>%s%s</defs>" % (marker % ("ink", INK), marker % ("red", DEAD[1])),
            '<rect x="0.5" y="0.5" width="%d" height="%d" rx="10" fill="%s" stroke="%s"/>' % (
                self.width - 1, self.height - 1, PAPER, EDGE),
            *self.parts, "</svg>", ""])


# Messages


def work_queue() -> Drawing:
    d = Drawing("work-queue", "P publishes to the queue tasks, C1 and C2 share its messages", 620, 170)
    p = d.process(70, 80, "P")
    q = d.queue(280, 80, "tasks", ["4", "3", "2", "1"])
    c1, c2 = d.process(530, 40, "C1"), d.process(530, 120, "C2")
    d.arrow(p.at("e"), q.at("w"), "publish")
    d.arrow(q.at("e", -6), c1.at("w"), "1")
    d.arrow(q.at("e", 6), c2.at("w"), "2")
    return d


def acknowledgement() -> Drawing:
    d = Drawing(
        "acknowledgement", "A message is ready, then unacknowledged, then done; nack and lost lead back", 700, 190)
    ready = d.process(90, 90, "ready", QUEUE, 110)
    held = d.process(350, 90, "unacked", PROCESS, 120)
    done = d.process(610, 50, "done", TOPIC, 100)
    dead = d.process(610, 140, "dead", DEAD, 100)
    d.arrow(ready.at("e", -6), held.at("w", -6), "deliver")
    d.arrow(held.at("e", -6), done.at("w"), "ack", shift=(0, -9))
    d.arrow(held.at("e", 6), dead.at("w"), "reject", shift=(0, 20))
    d.arrow(held.at("s", -20), ready.at("s", 20), "nack · †", bend=30, dashed=True, shift=(0, 20))
    return d


def publish_subscribe() -> Drawing:
    d = Drawing(
        "publish-subscribe",
        "The fanout exchange news copies a message of P into the queues site and archive", 660, 190)
    p = d.process(60, 90, "P")
    x = d.exchange(220, 90, "news", "fanout")
    site, archive = d.queue(420, 50, "site", ["", "", "1"]), d.queue(420, 125, "archive", ["", "", "1"])
    c1, c2 = d.process(590, 50, "C1"), d.process(590, 125, "C2")
    d.arrow(p.at("e"), x.at("w"), "1")
    d.arrow(x.at("e", -4), site.at("w"))
    d.arrow(x.at("e", 4), archive.at("w"))
    d.arrow(site.at("e"), c1.at("w"))
    d.arrow(archive.at("e"), c2.at("w"))
    return d


def routing() -> Drawing:
    d = Drawing("routing", "The direct exchange logs leads the key error to alarms and all three keys to all", 660, 200)
    p = d.process(60, 95, "P")
    x = d.exchange(220, 95, "logs", "direct")
    alarms, everything = d.queue(460, 50, "alarms", ["", "", ""]), d.queue(460, 140, "everything", ["", "", ""])
    d.arrow(p.at("e"), x.at("w"))
    d.arrow(x.at("e", -4), alarms.at("w"), "error", shift=(0, -10))
    d.arrow(x.at("e", 0), everything.at("w", -8), "error", shift=(30, -4))
    d.arrow(x.at("e", 4), everything.at("w", 6), "info", bend=-14, shift=(-14, 20))
    c1, c2 = d.process(600, 50, "C1"), d.process(600, 140, "C2")
    d.arrow(alarms.at("e"), c1.at("w"))
    d.arrow(everything.at("e"), c2.at("w"))
    return d


def topic_patterns() -> Drawing:
    d = Drawing(
        "topic-patterns", "The topic exchange orders compares routing keys with the patterns eu.# and *.paid", 660, 200)
    p = d.process(60, 95, "P")
    x = d.exchange(240, 95, "orders", "topic")
    europe, paid = d.queue(500, 50, "europe", ["", "", "", ""]), d.queue(500, 140, "paid", ["", "", "", ""])
    d.arrow(p.at("e"), x.at("w"), "eu.paid", shift=(0, -10))
    d.arrow(x.at("e", -4), europe.at("w"), "eu.#", shift=(0, -12))
    d.arrow(x.at("e", 4), paid.at("w"), "*.paid", shift=(0, 24))
    return d


def request_reply() -> Drawing:
    d = Drawing("request-reply", "A asks over the queue sums and hears the answer from the queue answers", 660, 210)
    a, b = d.process(70, 105, "A"), d.process(590, 105, "B")
    ask = d.queue(330, 55, "sums", ["", "", "2+2"], width=40, below=False)
    answer = d.queue(330, 155, "answers", ["4", "", ""], width=40)
    d.arrow(a.at("n"), ask.at("w"), "reply-to=answers", bend=26, shift=(-8, -10))
    d.arrow(ask.at("e"), b.at("n"), bend=26)
    d.arrow(b.at("s"), answer.at("e"), "correlation-id=7", bend=26, shift=(10, 22))
    d.arrow(answer.at("w"), a.at("s"), bend=26)
    return d


def dead_letters() -> Drawing:
    d = Drawing("dead-letters", "What C rejects moves from orders to orders.dead; redrive brings it back", 620, 230)
    p = d.process(60, 60, "P")
    orders = d.queue(260, 60, "orders", ["3", "2", "1"], below=False)
    c = d.process(520, 60, "C")
    dead = d.queue(390, 170, "orders.dead", ["", "", "1"], marked=[2])
    d.arrow(p.at("e"), orders.at("w"))
    d.arrow(orders.at("e"), c.at("w"), "1")
    d.arrow(c.at("s"), dead.at("n", 26), "reject", bend=-16, shift=(14, 14), anchor="start", colour=DEAD[1])
    d.arrow(dead.at("w"), orders.at("s"), "redrive", bend=-26, dashed=True, shift=(-14, 14), anchor="end")
    return d


def retry() -> Drawing:
    d = Drawing(
        "retry", "Each attempt that fails waits longer; after the last one the message is a dead letter", 700, 140)
    x = 60.0
    for number, wait in enumerate(["1 s", "2 s", "4 s", ""]):
        d.process(x, 75, str(number + 1), DEAD if number < 4 else PROCESS, 44)
        if wait:
            following = x + 105 + 35 * number
            d.arrow((x + 22, 75), (following - 22, 75), wait, dashed=True)
            x = following
        else:
            d.arrow((x + 22, 75), (x + 91, 75), colour=DEAD[1])
            d.queue(x + 130, 75, "mails.dead", ["", "", "1"], marked=[2])
    return d


def delay() -> Drawing:
    d = Drawing("delay", "A message with a delay waits outside of its queue until its time has come", 660, 160)
    p = d.process(60, 70, "P")
    later = d.queue(260, 70, "", ["09:00", "08:30"], ("#f1f1ee", "#9a9c9f"), width=60)
    q = d.queue(480, 70, "reminders", ["", "", "08:00"], width=52)
    c = d.process(616, 70, "C", width=44)
    d.arrow(p.at("e"), later.at("w"), "delay")
    d.arrow(later.at("e"), q.at("w"), "08:00", dashed=True)
    d.arrow(q.at("e"), c.at("w"))
    return d


def priorities() -> Drawing:
    d = Drawing("priorities", "A queue with priorities hands out 9 before 5 before 0, whoever came first", 640, 160)
    p = d.process(60, 70, "P")
    q = d.queue(320, 70, "mixed", ["0", "0", "5", "9"], width=34)
    c = d.process(570, 70, "C")
    d.arrow(p.at("e"), q.at("w"), "9 0 5 0")
    d.arrow(q.at("e"), c.at("w"), "0 0 5 9")
    return d


# Topics


def partitions() -> Drawing:
    d = Drawing(
        "partitions",
        "Records of one key go to one partition of the topic clicks, and get the next offset there", 640, 240)
    p = d.process(60, 115, "P")
    d.frame(400, 125, 380, 190, "clicks")
    zero = d.log(270, 75, "0", ["0"])
    one = d.log(270, 125, "1", ["0", "1", "2"])
    two = d.log(270, 175, "2", ["0"])
    for box, key in [(zero, "eva"), (one, "ana"), (two, "leo")]:
        d.text(box.x + box.width + 26, box.y + 5, "key=" + key, family=CODE, anchor="start", size=13)
        d.arrow(p.at("e", (box.y - 125) / 8), (238, box.y))
    return d


def groups() -> Drawing:
    d = Drawing(
        "groups",
        "The partitions of clicks are shared by A1 and A2 of the group audit; billing has one member", 660, 250)
    d.frame(140, 125, 210, 190, "clicks")
    for number, y in enumerate([75, 125, 175]):
        d.log(80, y, str(number), ["0", "1", "2", "3"])
    d.frame(560, 85, 150, 110, "audit")
    a1, a2 = d.process(560, 62, "A1"), d.process(560, 112, "A2")
    d.frame(560, 205, 150, 54, "billing")
    b1 = d.process(560, 205, "B1")
    edge = 245
    d.arrow((edge, 72), a1.at("w", -6))
    d.arrow((edge, 120), a1.at("w", 6))
    d.arrow((edge, 172), a2.at("w"))
    for y in (80, 130, 180):
        d.arrow((edge, y), b1.at("w", (y - 130) / 9), dashed=True, colour=FAINT)
    return d


def replay() -> Drawing:
    d = Drawing("replay", "Readers have places of their own in a log; one of them goes back to the offset 1", 640, 200)
    d.log(190, 95, "clicks", ["0", "1", "2", "3", "4", "5", "6", "7"], width=40)
    for x, y, name, cell in [(330, 35, "audit", 3), (470, 35, "billing", 7)]:
        d.text(190 + 40 * (cell + 0.5), y, name, family=CODE)
        d.arrow((190 + 40 * (cell + 0.5), y + 8), (190 + 40 * (cell + 0.5), 79))
    d.text(250, 172, "report", family=CODE)
    d.arrow((250, 156), (250, 111))
    d.arrow((480, 166), (285, 166), "from 1", dashed=True, shift=(0, -8))
    return d


def retention() -> Drawing:
    d = Drawing("retention", "The oldest records of a log are dropped; the offsets of the others stay", 640, 120)
    d.log(130, 55, "clicks", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], width=40, gone=[0, 1, 2, 3])
    d.text(290 + 0, 104, "first", family=CODE, size=13)
    d.text(530, 104, "next", family=CODE, size=13)
    d.line((290, 74), (290, 90))
    d.line((530, 74), (530, 90))
    return d


def compaction() -> Drawing:
    d = Drawing(
        "compaction",
        "Of each key the last record stays: ana=3, eva=2; luis is taken away by a record without a value", 700, 210)
    before = ["ana=1", "luis=1", "eva=1", "ana=2", "eva=2", "luis=∅", "ana=3"]
    for row, (gone, y) in enumerate([([], 55), ([0, 1, 2, 3, 5], 145)]):
        d.log(60, y, "", before, gone=gone, width=80)
    for column in range(len(before)):
        d.text(60 + 80 * (column + 0.5), 186, str(column), size=12, colour=FAINT)
    d.arrow((340, 76), (340, 122))
    return d


# Processes


def fork_exec_wait() -> Drawing:
    d = Drawing("fork-exec-wait", "cola forks, the child executes wc, cola waits for its exit code", 680, 220)
    d.text(50, 65, "cola", weight="bold", anchor="start")
    d.line((100, 60), (640, 60), colour=PROCESS[1], thick=3)
    d.text(50, 165, "wc -w", weight="bold", anchor="start")
    d.line((240, 160), (330, 160), colour=PROCESS[1], thick=3)
    d.line((330, 160), (500, 160), colour=TOPIC[1], thick=3)
    d.arrow((190, 60), (240, 156), "fork", bend=-14, shift=(-12, 4), anchor="end")
    d.text(330, 148, "exec", size=13, family=CODE)
    d.line((330, 152), (330, 168))
    d.arrow((300, 60), (400, 156), "stdin", bend=-10, shift=(12, 0), anchor="start", dashed=True)
    d.arrow((500, 160), (550, 64), "exit 0", bend=-14, shift=(14, 12), anchor="start")
    d.text(550, 46, "wait", size=13, family=CODE)
    d.text(610, 46, "ack", size=13, family=CODE)
    d.text(140, 46, "deliver", size=13, family=CODE)
    return d


def process_states() -> Drawing:
    d = Drawing("process-states", "States of a worker's process: new, ready, running, blocked, terminated", 700, 250)
    new = d.process(70, 110, "new", WAITING, 86)
    ready = d.process(240, 110, "ready", QUEUE, 96)
    running = d.process(440, 110, "running", TOPIC, 106)
    terminated = d.process(620, 110, "terminated", DEAD, 124)
    blocked = d.process(340, 210, "blocked", PROCESS, 106)
    d.arrow(new.at("e"), ready.at("w"))
    d.arrow(ready.at("e", -7), running.at("w", -7), "message", shift=(0, -9))
    d.arrow(running.at("w", 8), ready.at("e", 8), "ack", shift=(0, 20))
    d.arrow(running.at("e"), terminated.at("w"), "exit", shift=(0, -9))
    d.arrow(running.at("s", 10), blocked.at("e"), bend=-16)
    d.arrow(blocked.at("w"), ready.at("s", -20), bend=-16)
    d.arrow(ready.at("s", 20), blocked.at("n", -20))
    d.arrow(terminated.at("n"), new.at("n"), "restart", bend=-62, dashed=True, shift=(0, -6))
    return d


def pause() -> Drawing:
    d = Drawing(
        "pause", "A process is stopped with STOP and goes on with CONT; it holds its message all the time", 680, 130)
    d.text(40, 55, "./nap.sh", weight="bold", anchor="start")
    d.line((130, 50), (270, 50), colour=TOPIC[1], thick=3)
    d.line((270, 50), (430, 50), dashed=True, thick=2)
    d.line((430, 50), (560, 50), colour=TOPIC[1], thick=3)
    for x, name in [(270, "STOP"), (430, "CONT")]:
        d.line((x, 40), (x, 60), colour=INK, thick=1.6)
        d.text(x, 32, name, size=13, family=CODE)
    for x, name in [(200, "running"), (350, "blocked"), (495, "running")]:
        d.text(x, 100, name, size=13, colour=FAINT)
    d.queue(130, 50, "", ["1"])
    d.arrow((560, 50), (630, 50), "ack")
    return d


def priority_and_nice() -> Drawing:
    d = Drawing(
        "priority-and-nice",
        "Message priority orders the queue; nice shares the processor between the workers", 680, 210)
    q = d.queue(130, 100, "texts", ["0", "5", "9"], width=34)
    a, b = d.process(340, 55, "nice 0", width=100), d.process(340, 145, "nice 10", width=100)
    d.arrow(q.at("e", -5), a.at("w"), "9")
    d.arrow(q.at("e", 5), b.at("w"), "5", shift=(0, 20))
    d.frame(580, 100, 130, 130, "CPU")
    d.rectangle(580, 78, 100, 70, TOPIC)
    d.rectangle(580, 138, 100, 26, TOPIC)
    d.arrow(a.at("e"), (530, 78))
    d.arrow(b.at("e"), (530, 138))
    return d


def round_robin() -> Drawing:
    d = Drawing("round-robin", "C1, C2 and C3 are handed the messages in turn", 640, 220)
    q = d.queue(170, 105, "parcels", ["6", "5", "4", "3", "2", "1"])
    for number, y in enumerate([40, 105, 170]):
        c = d.process(450, y, "C%d" % (number + 1))
        d.arrow(q.at("e", (number - 1) * 7), c.at("w"))
        d.queue(515, y, "", [str(number + 4), str(number + 1)])
    return d


def prefetch() -> Drawing:
    d = Drawing(
        "prefetch", "With a prefetch of 2 a consumer holds two messages, the others wait in the queue", 640, 190)
    q = d.queue(170, 85, "parcels", ["9", "8", "7", "6", "5"])
    for number, (y, held) in enumerate([(45, ["3", "1"]), (125, ["4", "2"])]):
        c = d.process(400, y, "C%d" % (number + 1))
        d.queue(465, y, "", held)
        d.arrow(q.at("e", (number * 2 - 1) * 6), c.at("w"))
        d.text(550, y + 5, "prefetch=2", family=CODE, size=13)
    return d


def single_active_consumer() -> Drawing:
    d = Drawing(
        "single-active-consumer", "C1 gets all messages; C2 and C3 take its place in turn when it is gone", 640, 220)
    q = d.queue(170, 105, "ledger", ["4", "3", "2", "1"])
    d.arrow(q.at("e", -6), d.process(450, 40, "C1").at("w"), "1 2 3 …", shift=(-24, -12))
    for number, y in [(2, 105), (3, 170)]:
        d.line(q.at("e", (number - 2) * 6), (422, y), dashed=True)
        d.process(450, y, "C%d" % number, WAITING)
    return d


def token_queue() -> Drawing:
    d = Drawing(
        "token-queue", "Whoever holds the token of the queue printer may print; the others wait for it", 640, 220)
    q = d.queue(140, 105, "printer", ["", "", ""], gone=[0, 1, 2])
    holder = d.process(400, 105, "P2")
    d.queue(448, 105, "", ["●"])
    d.process(400, 40, "P1", WAITING)
    d.process(400, 170, "P3", WAITING)
    d.line(q.at("e", -8), (372, 40), dashed=True)
    d.line(q.at("e", 8), (372, 170), dashed=True)
    d.arrow(q.at("e", -3), holder.at("w", -6), "deliver", shift=(0, -8))
    d.arrow(holder.at("w", 7), q.at("e", 5), "nack", shift=(0, 18))
    return d


def bounded_buffer() -> Drawing:
    d = Drawing("bounded-buffer", "The queue shelf has room for three; P is refused until C has taken one", 640, 180)
    p = d.process(70, 75, "P")
    q = d.queue(320, 75, "shelf", ["3", "2", "1"], width=34)
    c = d.process(570, 75, "C")
    d.arrow(p.at("e", -8), q.at("w", -8), "4", colour=DEAD[1])
    d.arrow(q.at("w", 8), p.at("e", 8), "nack", dashed=True, shift=(0, 20))
    d.arrow(q.at("e"), c.at("w"), "1")
    d.text(320, 136, "max-length=3", family=CODE, size=13, colour=FAINT)
    return d


DRAWINGS = [
    work_queue, acknowledgement, publish_subscribe, routing, topic_patterns, request_reply, dead_letters, retry, delay,
    priorities, partitions, groups, replay, retention, compaction, fork_exec_wait, process_states, pause,
    priority_and_nice, round_robin, prefetch, single_active_consumer, token_queue, bounded_buffer]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a drawing is not what this draws")
    options = parser.parse_args(arguments)
    wrong: List[str] = []
    for draw in DRAWINGS:
        drawing = draw()
        path = FOLDER / (drawing.name + ".svg")
        if not options.check:
            path.write_text(drawing.svg(), encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != drawing.svg():
            wrong.append(path.name)
    if wrong:
        print("not what scripts/drawings.py draws: %s; run it" % ", ".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
