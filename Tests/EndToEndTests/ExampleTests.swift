// Every example of a library product is built with the rest, runs, and is as short as an example should be.

import CLinux
import Glibc
import TestSupport
import Testing

@Suite("Examples")
struct ExampleTests {
    private func lines(_ name: String) -> Int {
        (textOfFile(Peers.packageRoot + "/Examples/\(name)/main.swift") ?? "").count { $0 == "\n" }
    }

    private func run(_ name: String, _ arguments: [String] = []) throws -> (
        status: TestSupport.ExitStatus, child: Child
    ) {
        try withNamespace(as: .mapped) { namespace in
            try namespace.run([try Peers.built("example-\(name)").require()] + arguments)
        }
    }

    @Test(
        "no example is longer than 110 lines",
        arguments: [
            "driver-on-passt", "two-hosts", "rings-in-process", "supervised-passt", "hub-and-capture",
            "reactor-and-child", "vhost-user-features", "move-connection", "move-a-counter",
        ])
    func short(name: String) {
        #expect((1...110).contains(lines(name)), "\(name): \(lines(name))")
    }

    @Test("two hosts talk over a link in simulated time, the same in every run")
    func twoHosts() throws {
        let (status, child) = try run("two-hosts")
        #expect(status == .exited(0), "\(child.transcript)")
        #expect(child.output.hasPrefix("connected after "), "\(child.transcript)")
        #expect(child.output.hasSuffix(" µs: hello\n"), "\(child.transcript)")
        let (_, again) = try run("two-hosts")
        #expect(again.output == child.output)
    }

    @Test("a thousand frames cross the rings of one process and come back; the memory is free at the end")
    func rings() throws {
        let (status, child) = try run("rings-in-process")
        #expect(status == .exited(0), "\(child.transcript)")
        #expect(child.output.contains("driver: 1000 frames sent, 1000 received, 559500 bytes\n"), "\(child.transcript)")
        #expect(child.output.contains("device: 1000 frames taken, 1000 given\n"))
        #expect(child.output.hasSuffix("driver: gone, 0 bytes of guest memory in use\n"))
    }

    @Test("what one link of a hub says, the others hear; the capture is one that begins as pcapng does")
    func hub() throws {
        let (status, child) = try run("hub-and-capture")
        #expect(status == .exited(0) && child.errors == "heard on each link: 0 3 3\n", "\(child.transcript)")
    }

    @Test("a machine that counts moves from one end of a connection to the other and goes on where it stood")
    func counter() throws {
        let (status, child) = try run("move-a-counter")
        #expect(status == .exited(0), "\(child.transcript)")
        let lines = child.output.split(separator: "\n")
        #expect(lines.first == "name: a counter" && lines.contains("it runs there"), "\(child.transcript)")
        let numbers = (lines.last ?? "").split { !$0.isNumber }.compactMap { Int($0) }
        #expect(numbers.count == 3 && numbers[0] >= 1000 && numbers[1] == numbers[0] + 1000, "\(child.transcript)")
    }

    @Test("a child, a moving timer and the end of both in one loop")
    func reactor() throws {
        let (status, child) = try run("reactor-and-child")
        #expect(status == .exited(0), "\(child.transcript)")
        let lines = Set(child.output.split(separator: "\n"))
        #expect(lines == ["three ticks", "child: from the child", "child: exited with code 3"], "\(child.transcript)")
    }

    @Test("a driver gets an address from a real passt over its rings")
    func driver() throws {
        try withNamespace(as: .mapped) { namespace in
            let directory = try TemporaryDirectory()
            let pidFile = directory.path + "/pid"
            let passt = try namespace.start([
                try Peers.passt.require(), "-f", "--vhost-user", "-s", directory.path + "/socket", "--pid", pidFile,
            ])
            let deadline = ne_monotonic_ns() + 20_000_000_000
            while (textOfFile(pidFile) ?? "").isEmpty, passt.status == nil, ne_monotonic_ns() < deadline {
                usleep(1000)
            }
            let (status, child) = try namespace.run([
                try Peers.built("example-driver-on-passt").require(), directory.path + "/socket",
            ])
            #expect(status == .exited(0), "\(child.transcript)\n\(passt.transcript)")
            // "ready" is said when passt has answered everything, which may be behind the address.
            #expect(child.output.hasPrefix("front-end: connected("), "\(child.transcript)")
            #expect(child.output.split(separator: "\n").last?.hasPrefix("address: ") == true, "\(child.transcript)")
        }
    }

    @Test("a real passt is started, killed, started again and stopped")
    func supervised() throws {
        let (status, child) = try run("supervised-passt", [try Peers.passt.require()])
        #expect(status == .exited(0), "\(child.transcript)")
        let said = child.output.split(separator: "\n").filter { !$0.hasPrefix("passt: ") }
        #expect(
            said.count == 4 && said[0] == "start 1: ready, connected" && said[1].hasPrefix("down (")
                && said[2] == "start 2: ready, connected" && said[3] == "stopped", "\(child.transcript)")
    }
}
