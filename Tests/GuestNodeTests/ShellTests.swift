// The shell with its small tools, as a script and on a terminal.

import Bytes
import NetStack
import Testing

@testable import GuestNode

/// A session with a clock and nothing else.
private final class Desk {
    let files = MemoryFiles()
    let session: Session
    var now = Instant(nanoseconds: 0)

    init(_ kind: Session.Kind) {
        session = Session(kind, host: Host(hostname: "node", seed: 1, buffers: HeapBuffers()), files: files)
    }

    /// Steps until nothing is to be done before `limit`.
    func settle(_ limit: Interval = .zero) {
        let end = now + limit
        for _ in 0..<10_000 {
            if session.step(now: now) { continue }
            guard let next = session.nextDeadline, next > now, next <= end else { break }
            now = next
        }
        now = end
    }

    func run(_ script: String, for limit: Interval = .zero) -> String {
        session.run(script)
        settle(limit)
        return session.takeOutput()
    }

    func type(_ text: String) -> String {
        session.input(text)
        settle()
        return session.takeOutput()
    }
}

@Suite("Shell")
struct ShellTests {
    @Test(
        "a script prints what its commands print, and its status is the last command's",
        arguments: [
            ("echo a b; echo -n c", "a b\nc", 0),
            ("", "", 0),
            ("true", "", 0),
            ("false", "", 1),
            ("false; true", "", 0),
            ("false && echo no", "", 1),
            ("true && echo yes", "yes\n", 0),
            ("false || echo else", "else\n", 0),
            ("false && echo no || echo else; echo end", "else\nend\n", 0),
            ("true || echo no && echo yes", "yes\n", 0),
            ("false; echo $?; echo $?", "1\n0\n", 0),
            ("exit 3; echo no", "", 3),
            ("false; exit", "", 1),
            ("nosuch a b", "sh: nosuch: command not found\n", 127),
            ("nosuch; echo $?", "sh: nosuch: command not found\n127\n", 0),
            ("''", "sh: : command not found\n", 127),
            ("hostname", "node\n", 0),
            ("echo 'a", "sh: unterminated '\n", 2),
            ("exit 300", "exit: STATUS '300': 0…255 is accepted\nusage: exit [STATUS]\n", 2),
            ("sleep", "sleep: missing SECONDS\nusage: sleep SECONDS...\n", 2),
        ] as [(String, String, Int32)])
    func scripts(script: String, output: String, status: Int32) {
        let desk = Desk(.script)
        #expect(desk.run(script) == output)
        #expect(desk.session.exitStatus == status)
    }

    @Test("redirections write, empty and append files, and every file is closed")
    func redirections() {
        let desk = Desk(.script)
        #expect(desk.run("echo one > f; echo two >> f; echo three > g > h; echo gone > /dev/null") == "")
        #expect(desk.files.text("f") == "one\ntwo\n")
        #expect(desk.files.text("g") == "")
        #expect(desk.files.text("h") == "three\n")
        #expect(desk.files.openCount == 0)
        #expect(desk.session.exitStatus == 0)
    }

    @Test("a file that cannot be opened fails its command only")
    func missingFile() {
        let desk = Desk(.script)
        #expect(desk.run("echo a > out < nosuch; echo $?") == "sh: nosuch: No such file or directory\n1\n")
        #expect(desk.files.openCount == 0)
    }

    @Test("a file that cannot be written fails its command")
    func fullFile() {
        let desk = Desk(.script)
        desk.files.full = ["f"]
        #expect(desk.run("echo a > f && echo no; echo $?") == "echo: f: No space left on device\n1\n")
        #expect(desk.files.openCount == 0)
    }

    @Test("errors go to the console although output goes to a file")
    func errors() {
        let desk = Desk(.script)
        #expect(
            desk.run("sleep x > f")
                == "sleep: SECONDS 'x': seconds such as 2 or 0.5 are accepted\nusage: sleep SECONDS...\n")
        #expect(desk.files.text("f") == "")
    }

    /// What was said, a string of each kind in order: `d:` data, `c:` complaints.
    private func streams(_ session: Session) -> [String] {
        var found: [String] = []
        while session.hasOutput {
            session.drainStreams({ bytes, kind in
                found.append((kind == .data ? "d:" : "c:") + String(decoding: bytes, as: UTF8.self))
                return bytes.count
            })
        }
        return found
    }

    @Test("complaints are told apart from data, in order; at a terminal both are one")
    func complaints() {
        let script = "echo a; echo b; nosuch; sleep x; echo c >/dev/stderr; echo d; help nosuch; echo e"
        let usage = "sleep: SECONDS 'x': seconds such as 2 or 0.5 are accepted\nusage: sleep SECONDS...\n"
        let desk = Desk(.script)
        desk.session.run(script + "; echo 'x")
        desk.settle()
        #expect(streams(desk.session) == ["c:sh: unterminated '\n"])
        let mixed = Desk(.script)
        mixed.session.run(script)
        mixed.settle()
        let said = streams(mixed.session)
        #expect(
            said.first == "d:a\nb\n" && said.dropFirst().first == "c:sh: nosuch: command not found\n\(usage)c\n",
            "\(said)")
        #expect(said.contains("c:help: no tool 'nosuch'; help alone lists them\n") && said.last == "d:e\n")
        let pipe = Desk(.terminal)
        pipe.session.isInteractive = false
        pipe.session.input("echo a\nnosuch\n")
        pipe.settle()
        #expect(streams(pipe.session) == ["d:a\n", "c:sh: nosuch: command not found\n"])
        let terminal = Desk(.terminal)
        terminal.session.input("nosuch\r")
        terminal.settle()
        #expect(streams(terminal.session).allSatisfy { $0.hasPrefix("d:") })
    }

    @Test("sleep takes its time, not more and not less")
    func sleep() {
        let desk = Desk(.script)
        desk.session.run("sleep 1.5 0.5; echo done")
        desk.settle(.milliseconds(1999))
        #expect(desk.session.takeOutput() == "")
        #expect(desk.session.nextDeadline == Instant(nanoseconds: 2_000_000_000))
        desk.settle(.milliseconds(1))
        #expect(desk.session.takeOutput() == "done\n")
        #expect(desk.session.nextDeadline == nil)
    }

    @Test("the names of standard streams are the streams themselves, and no files of netemu's")
    func standardNames() {
        let desk = Desk(.script)
        #expect(desk.run("echo a > /dev/stdout; echo b >> /dev/stderr; echo c < /dev/stdin") == "a\nb\nc\n")
        #expect(desk.files.contents.isEmpty)
        #expect(Desk(.script).run("echo a > /dev/stdin").hasPrefix("sh: /dev/stdin: "))
    }

    @Test("a reader who is slow keeps the next command waiting, and gets everything")
    func slowReader() {
        let desk = Desk(.script)
        let script = String(repeating: "help\n", count: 1000)
        var text = desk.run(script)
        #expect(desk.session.exitStatus == nil)
        for _ in 0..<1000 where desk.session.exitStatus == nil {
            desk.settle()
            text += desk.session.takeOutput()
        }
        #expect(desk.session.exitStatus == 0)
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("true ") }.count == 1000)
    }

    @Test("Ctrl-C ends a script's tool and what would follow")
    func interruptScript() {
        let desk = Desk(.script)
        #expect(desk.run("sleep 100; echo no") == "")
        desk.session.input("\u{03}")
        desk.settle()
        #expect(desk.session.takeOutput() == "")
        #expect(desk.session.exitStatus == 130)
    }

    @Test("help names every tool, and explains each")
    func help() {
        let list = Desk(.script).run("help")
        for entry in Toolbox.entries {
            #expect(list.contains("\n\(entry.name) ") || list.hasPrefix("\(entry.name) "), "\(entry.name)")
            #expect(Desk(.script).run("help \(entry.name)").hasPrefix("usage: \(entry.name)"))
        }
        #expect(Toolbox.entries.map(\.name) == Toolbox.entries.map(\.name).sorted())
        #expect(Desk(.script).run("help x; echo $?") == "help: no tool 'x'; help alone lists them\n1\n")
    }
}

@Suite("a shell that reads a pipe")
struct PipeTests {
    private func desk(_ text: String, ends: Bool = true) -> Desk {
        let desk = Desk(.terminal)
        desk.session.isInteractive = false
        desk.session.input(text)
        if ends { desk.session.endInput() }
        desk.settle()
        return desk
    }

    @Test(
        "it shows what commands say and nothing else, and its status is the last one's",
        arguments: [
            ("echo hi\n", "hi\n", 0), ("echo hi", "hi\n", 0), ("false\r\n", "", 1), ("", "", 0), ("\n\n", "", 0),
            ("exit 3\necho no\n", "", 3), ("nosuch\n", "sh: nosuch: command not found\n", 127),
            ("false\nexit\n", "", 1), ("echo a\n\necho b", "a\nb\n", 0),
            // A command may go on over several lines.
            ("echo 'a\nb'\necho c\n", "a\nb\nc\n", 0), ("echo \"a\n\\\"b\"\n", "a\n\"b\n", 0),
            ("true &&\n\n echo a\n", "a\n", 0), ("false ||\necho a", "a\n", 0), ("echo a\\\nb\n", "ab\n", 0),
            ("echo a # don't\necho b\n", "a\nb\n", 0), ("echo don\\'t\necho b#'c\nd'\n", "don't\nb#c\nd\n", 0),
            ("true && # what's next\necho a\n", "a\n", 0), ("echo a;# '\necho b\n", "a\nb\n", 0),
            ("echo a\necho 'b\nc\n", "a\nsh: unterminated '\n", 2),
        ] as [(String, String, Int32)])
    func status(text: String, output: String, status: Int32) {
        let desk = desk(text)
        #expect(desk.session.takeOutput() == output)
        #expect(desk.session.exitStatus == status)
    }

    @Test("it ends when its last command has, not before, and not while input may come")
    func jobs() {
        let busy = desk("sleep 5; echo done")
        #expect(busy.session.exitStatus == nil)
        busy.settle(.seconds(5))
        #expect(busy.session.takeOutput() == "done\n")
        #expect(busy.session.exitStatus == 0)
        let open = desk("true\n", ends: false)
        #expect(open.session.exitStatus == nil)
        open.session.endInput()
        open.settle()
        #expect(open.session.exitStatus == 0)
    }

    @Test("more than it reads at once waits outside, and a line without an end is none")
    func flow() {
        let desk = desk("sleep 1\n" + String(repeating: "#", count: 65536), ends: false)
        #expect(!desk.session.wantsInput)
        desk.settle(.seconds(1))
        #expect(desk.session.wantsInput)
        #expect(desk.session.exitStatus == nil)
    }
}

@Suite("Terminal")
struct TerminalTests {
    @Test("a terminal prompts, echoes, answers and prompts again")
    func dialogue() {
        let desk = Desk(.terminal)
        #expect(desk.type("") == "node:~# ")
        #expect(desk.type("echo hi\r") == "echo hi\r\nhi\r\nnode:~# ")
        #expect(desk.type("\r") == "\r\nnode:~# ")
        #expect(desk.type("echo -n x\r") == "echo -n x\r\nx\r\nnode:~# ")
    }

    @Test("a command that goes on is prompted for with > until it ends, and Ctrl-C forgets all of it")
    func unfinished() {
        let desk = Desk(.terminal)
        _ = desk.type("")
        #expect(desk.type("echo 'a\r") == "echo 'a\r\n> ")
        #expect(desk.type("b' &&\r") == "b' &&\r\n> ")
        #expect(desk.type("echo c\r") == "echo c\r\na\r\nb\r\nc\r\nnode:~# ")
        #expect(desk.type("echo 'a\r") == "echo 'a\r\n> ")
        #expect(desk.type("\u{03}") == "^C\r\nnode:~# ")
        #expect(desk.type("echo b\r") == "echo b\r\nb\r\nnode:~# ")
        #expect(desk.type("echo 'a\r") + desk.type("half") == "echo 'a\r\n> half")
        desk.session.forgetLine()
        #expect(desk.type("") == "\r\nnode:~# " && desk.type("echo c\r") == "echo c\r\nc\r\nnode:~# ")
    }

    @Test("lines typed ahead are run one after the other")
    func typeAhead() {
        let desk = Desk(.terminal)
        _ = desk.type("")
        #expect(desk.type("echo a\recho b\r") == "echo a\r\necho b\r\na\r\nb\r\nnode:~# ")
        #expect(desk.type("sleep 1\recho later\r") == "sleep 1\r\necho later\r\n")
        desk.settle(.seconds(1))
        #expect(desk.session.takeOutput() == "later\r\nnode:~# ")
    }

    @Test("Ctrl-C at the prompt forgets the line, in a tool ends it with 130")
    func interrupt() {
        let desk = Desk(.terminal)
        _ = desk.type("")
        #expect(desk.type("echo no\u{03}") == "echo no^C\r\nnode:~# ")
        #expect(desk.type("sleep 100; echo no\r") == "sleep 100; echo no\r\n")
        #expect(desk.type("\u{03}") == "^C\r\nnode:~# ")
        #expect(desk.type("echo $?\r") == "echo $?\r\n130\r\nnode:~# ")
    }

    @Test("exit says logout, and how to get away; a new prompt comes")
    func exit() {
        let desk = Desk(.terminal)
        _ = desk.type("")
        #expect(desk.type("exit 4\r") == "exit 4\r\nlogout\r\nnode:~# ")
        desk.session.wayOut = "Ctrl-A x ends netemu"
        #expect(desk.type("exit\r") == "exit\r\nlogout; Ctrl-A x ends netemu\r\nnode:~# ")
        #expect(desk.session.exitStatus == nil)
    }

    @Test("after somebody else wrote, prompt and line are shown again")
    func redraw() {
        let desk = Desk(.terminal)
        _ = desk.type("")
        _ = desk.type("echo a")
        desk.session.redraw()
        #expect(desk.session.takeOutput() == "node:~# echo a")
        #expect(!desk.session.isAtLineStart)
    }

    @Test("output that nobody takes is cut off, and the loss is told")
    func overflow() {
        var output = OutputBuffer(isTerminal: true)
        let line = String(repeating: "x", count: 1023) + "\n"
        for _ in 0..<2000 { output.write(line) }
        #expect(output.room == 0)
        #expect(output.count <= OutputBuffer.textLimit + 1024)
        output.drain { $0.count }
        #expect(output.isEmpty && output.room == OutputBuffer.bulkLimit)
        output.write("more\n")
        output.drain { bytes in
            #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("bytes of output lost]\r\nmore\r\n"))
            return bytes.count
        }
    }
}
