// Monitors and consoles on sockets whose reader takes his time: nothing is lost, and nothing hangs.

import Glibc
import TestSupport
import Testing

@Suite("a reader that is late")
struct LateReaderTests {
    private static func start(_ arguments: [String]) throws -> Child {
        try Child([try Peers.built("netemu").require(), "-nic", "none"] + arguments)
    }

    @Test("a monitor on a socket answers hundreds of commands to a client that reads later and types no more")
    func monitor() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/m"
            let child = try Self.start(["-monitor", "unix:\(path),server=on,wait=off"])
            let client = try UnixClient(path: path)
            client.write(String(repeating: "help\n", count: 500) + "info version\n")
            usleep(300_000)
            client.finishWriting()
            let text = try client.readToEnd()
            let answers = text.split(separator: "\n").filter { $0.hasPrefix("quit|q ") }
            #expect(answers.count == 500)
            #expect(text.contains("\n0.1.0\n"))
            // The next one is served as if nothing had been.
            let next = try UnixClient(path: path)
            #expect(try next.ask("info version", until: "0.1.0\n(netemu) ").contains("0.1.0"))
            child.signal(15)
            #expect(try child.wait() == .exited(0), "\(child.transcript)")
        }
    }

    @Test("a console on a socket shows everything to a client that reads later")
    func console() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/c"
            let child = try Self.start(["-serial", "unix:\(path),server=on,wait=off"])
            let client = try UnixClient(path: path)
            // Less than the console takes unread; the answers are more than the socket takes.
            client.write("echo number=0\n")
            for _ in 0..<20 {
                client.write(String(repeating: "help\n", count: 20))
                usleep(100_000)
            }
            let text = try client.ask("echo the end=1", until: "\nthe end=1\n", seconds: 60)
            #expect(text.contains("\nnumber=0\n"))
            child.signal(15)
            #expect(try child.wait() == .exited(0), "\(child.transcript)")
        }
    }

    @Test("a console on a socket carries out all that was typed by a client that types no more, and serves the next")
    func halfClosed() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/c"
            let child = try Self.start(["-serial", "unix:\(path),server=on,wait=off"])
            let client = try UnixClient(path: path)
            client.write("sleep 1\necho number=$?\nsleep 0.1; echo number='\n1\n'\necho cut")
            client.finishWriting()
            let text = try client.readToEnd()
            #expect(text.contains("number=0\n") && text.contains("number=\n1\n\nnode:~# "), "\(text)")
            #expect(!text.contains("\ncut"), "\(text)")
            var next: UnixClient? = try UnixClient(path: path)
            #expect(try next?.ask("hostname", until: "\nnode\n").contains("node:~# ") == true)
            next?.write("sleep 1000\n")
            next = nil
            // Who has gone altogether keeps nobody out, whatever runs for him.
            let third = try UnixClient(path: path)
            #expect(try third.ask("\u{03}", until: "node:~# ").contains("^C"))
            child.signal(15)
            #expect(try child.wait() == .exited(0), "\(child.transcript)")
        }
    }

    @Test("a client that goes away without reading leaves the monitor to the next one")
    func gone() throws {
        try withTemporaryDirectory { directory in
            let path = directory.path + "/m"
            let child = try Self.start(["-monitor", "unix:\(path),server=on,wait=off"])
            func hammer() throws {
                let client = try UnixClient(path: path)
                client.write(String(repeating: "help\n", count: 500))
                usleep(200_000)
            }
            try hammer()
            let next = try UnixClient(path: path)
            #expect(try next.ask("info version", until: "0.1.0\n(netemu) ").contains("0.1.0"))
            child.signal(15)
            #expect(try child.wait() == .exited(0), "\(child.transcript)")
        }
    }
}
