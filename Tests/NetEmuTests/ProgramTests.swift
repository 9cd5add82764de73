// The built program, started as a user starts it, without any back-end: what it prints, where, and
// how it ends. With passt it is tested in EndToEndTests.

import Glibc
import TestSupport
import Testing

@testable import NetEmu

@Suite("the program netemu")
struct ProgramTests {
    static func start(_ arguments: [String], input: ChildInput = .null, environment: [String: String] = [:]) throws
        -> Child
    {
        try Child([try Peers.built("netemu").require()] + arguments, input: input, environment: environment)
    }

    /// Output without the editor's redrawing: what stays on the screen, line by line.
    static func screen(_ output: String) -> [String] {
        var lines: [String] = []
        for line in output.split(separator: "\r\n", omittingEmptySubsequences: false) {
            var cells: [Character] = []
            var cursor = 0
            var rest = line[...]
            while let c = rest.popFirst() {
                if c == "\u{1b}", rest.hasPrefix("[D") {
                    cursor = max(0, cursor - 1)
                    rest = rest.dropFirst(2)
                } else if c == "\u{1b}", rest.hasPrefix("[C") {
                    cursor += 1
                    rest = rest.dropFirst(2)
                } else if c == "\u{1b}", rest.hasPrefix("[K") {
                    cells.removeSubrange(min(cursor, cells.count)...)
                    rest = rest.dropFirst(2)
                } else {
                    if cursor < cells.count { cells[cursor] = c } else { cells.append(c) }
                    cursor += 1
                }
            }
            lines.append(String(cells))
        }
        return lines
    }

    @Test("a refused line: one sentence on stderr, nothing on stdout, exit 1; 125 with a script")
    func refused() throws {
        let plain = try Self.start(["-nic", "passt,bogus=1"])
        #expect(try plain.wait() == .exited(1))
        #expect(plain.output == "")
        #expect(plain.errors == "netemu: -nic passt,bogus=1: Invalid parameter 'bogus'\n")
        let script = try Self.start(["-nic", "passt,bogus=1", "-guest", "node,run=true"])
        #expect(try script.wait() == .exited(125))
    }

    @Test("help and version go to stdout, exit 0")
    func answers() throws {
        let version = try Self.start(["--version"])
        #expect(try version.wait() == .exited(0))
        #expect(version.output == "netemu version 0.1.0\n")
        let help = try Self.start(["-h"])
        #expect(try help.wait() == .exited(0))
        #expect(help.output.contains("\n-nic [passt|stream|vhost-user|hubport]"))
    }

    @Test("a monitor on a pipe: banner, echo, answers, quit")
    func monitor() throws {
        let child = try Self.start(["-nic", "none", "-monitor", "stdio"], input: .pipe)
        child.write("info status\nset_link x off\nbogus\nquit\n")
        #expect(try child.wait() == .exited(0))
        #expect(
            Self.screen(child.output) == [
                "netemu 0.1.0 monitor - type 'help' for more information", "(netemu) info status", "VM status: running",
                "(netemu) set_link x off", "Error: Device 'x' not found", "(netemu) bogus", "unknown command: 'bogus'",
                "(netemu) quit", "",
            ])
        #expect(child.errors == "")
    }

    @Test("NETEMU_PROMPT serves scripts that wait for QEMU's prompt")
    func prompt() throws {
        let child = try Self.start(
            ["-nic", "none", "-monitor", "stdio"], input: .pipe, environment: ["NETEMU_PROMPT": "(qemu) "])
        child.write("q\n")
        #expect(try child.wait() == .exited(0))
        #expect(Self.screen(child.output)[1] == "(qemu) q")
    }

    @Test(
        "the end of stdin does not end the program; SIGTERM does, with QEMU's sentence",
        arguments: [SIGTERM, SIGINT, SIGHUP])
    func signals(number: Int32) throws {
        let child = try Self.start(["-nic", "none", "-monitor", "stdio"], input: .pipe)
        try child.wait(for: "(netemu) ")
        child.closeInput()
        usleep(50_000)
        #expect(child.status == nil)
        child.signal(number)
        #expect(try child.wait() == .exited(0))
        #expect(child.errors == "netemu: terminating on signal \(number) from pid \(getpid())\n")
    }

    @Test("a script's output goes to stdout, and its last status is the program's")
    func script() throws {
        let child = try Self.start([
            "-nic", "none", "-guest", "node,run=echo one,, two; false; echo three && hostname,hostname=box",
        ])
        #expect(try child.wait() == .exited(0))
        #expect(child.output == "one, two\nthree\nbox\n")
        #expect(try Self.start(["-nic", "none", "-guest", "node,run=exit 7"]).wait() == .exited(7))
        #expect(try Self.start(["-nic", "none", "-guest", "node,run=false"]).wait() == .exited(1))
        #expect(try Self.start(["-nic", "none", "-guest", "node,run=nosuch"]).wait() == .exited(127))
    }

    @Test("script=FILE runs a file, and a missing one is netemu's own failure")
    func scriptFile() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory.path)/s"
            let file = try #require(fopen(path, "w"))
            fputs("echo from\necho a file\n", file)
            fclose(file)
            let child = try Self.start(["-nic", "none", "-guest", "node,script=\(path)"])
            #expect(try child.wait() == .exited(0))
            #expect(child.output == "from\na file\n")
        }
        let missing = try Self.start(["-nic", "none", "-guest", "node,script=/nonexistent"])
        #expect(try missing.wait() == .exited(125))
        #expect(missing.errors.contains("/nonexistent: No such file or directory"))
    }

    @Test("a script that is ended by a signal has the status of one")
    func interruptedScript() throws {
        let child = try Self.start(["-nic", "none", "-guest", "node,run=echo begun; sleep 1000"])
        try child.wait(for: "begun")
        child.signal(SIGTERM)
        #expect(try child.wait() == .exited(128 + SIGTERM))
    }

    @Test("options without a meaning warn and do no more")
    func warnings() throws {
        let child = try Self.start(["-cpu", "host", "-M", "q35", "-nic", "none", "-guest", "node,run=true"])
        #expect(try child.wait() == .exited(0))
        #expect(
            child.errors == "netemu: warning: -cpu has no effect: netemu has no processor\n"
                + "netemu: warning: -M has no effect: netemu has no emulated board\n")
    }

    @Test("the console on a unix socket: the prompt, a command, the next user; the socket goes with the program")
    func serialSocket() throws {
        let directory = try TemporaryDirectory()
        defer { directory.remove() }
        let path = "\(directory.path)/console"
        let child = try Self.start(["-nic", "none", "-serial", "unix:\(path),server=on,wait=off"])
        for text in ["first", "second"] {
            let user = try UnixClient(path: path)
            #expect(try user.ask("echo \(text)", until: "\n\(text)").contains(text))
        }
        child.signal(SIGTERM)
        #expect(try child.wait() == .exited(0))
        #expect(access(path, F_OK) != 0)
    }
}
