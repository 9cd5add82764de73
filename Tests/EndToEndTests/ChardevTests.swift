// Character devices of a running netemu: what `info chardev` says, what chardev-add refuses, and what strangers at
// their sockets can do.

import Glibc
import TestSupport
import Testing

@Suite("character devices")
struct ChardevTests {
    /// A netemu with a monitor at `directory`/m.
    private static func start(_ words: [String], _ directory: String) throws -> (child: Child, monitor: UnixClient) {
        let path = directory + "/m"
        let netemu = try Peers.built("netemu").require()
        let child = try Child([netemu, "-nic", "none", "-monitor", "unix:\(path),server=on,wait=off"] + words)
        let client = try UnixClient(path: path)
        _ = try client.ask("info version", until: "0.1.0\n(netemu) ")
        return (child, client)
    }

    private static func answer(_ client: UnixClient, _ command: String) throws -> [String] {
        let text = try client.ask(command, until: "\n(netemu) ", seconds: 20)
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().dropLast().map(String.init)
    }

    private static func end(_ child: Child) throws {
        child.signal(15)
        #expect(try child.wait() == .exited(0), "\(child.transcript)")
    }

    @Test("info chardev says what QEMU says of each device")
    func lines() throws {
        try withTemporaryDirectory { directory in
            let port = try freePort()
            let name = "netemu-chardev-\(getpid())"
            let (child, client) = try Self.start(
                [
                    "-chardev", "null,id=c0,mux=on", "-chardev",
                    "socket,id=c1,path=\(name),abstract=on,server=on,wait=off",
                    "-chardev", "socket,id=c2,path=\(name)2,abstract=on,tight=off,server=on,wait=off",
                    "-chardev", "socket,id=c3,host=,port=\(port),server=on,wait=off,ipv6=off",
                    "-chardev", "socket,id=c4,path=/nosuch/p,reconnect-ms=20", "-serial", "null",
                    "-chardev", "socket,id=c5,host=127.0.0.1,port=\(port),reconnect-ms=60000",
                ], directory.path)
            #expect(
                try eventually {
                    try Self.answer(client, "info chardev").contains { $0.hasPrefix("c5: filename=tcp:127.0.0.1:") }
                })
            let found = try Self.answer(client, "info chardev")
            #expect(
                found.filter { !$0.hasPrefix("c3:") && !$0.hasPrefix("c5:") } == [
                    "c0-base: filename=null", "c0: filename=mux",
                    "c1: filename=disconnected:unix:\(name),abstract=on,tight=on,server=on",
                    "c2: filename=disconnected:unix:\(name)2,abstract=on,server=on",
                    "c4: filename=disconnected:unix:/nosuch/p",
                    "compat_monitor0: filename=unix:\(directory.path)/m,server=on", "serial0: filename=null",
                ])
            #expect(found.contains { $0.hasPrefix("c3: filename=tcp:127.0.0.1:\(port),server=on <-> 127.0.0.1:") })
            #expect(try Self.answer(client, "chardev-remove c5") == [])
            #expect(
                try eventually {
                    try Self.answer(client, "info chardev").contains(
                        "c3: filename=disconnected:tcp:0.0.0.0:\(port),server=on")
                })
            // Once, however often it is tried; of a client that is connected nothing is said.
            let reason = "Failed to connect to '/nosuch/p': No such file or directory"
            #expect(child.errors == "netemu: Unable to connect character device c4: \(reason)\n")
            try Self.end(child)
        }
    }

    @Test("a chardev-add that fails is an error and leaves nothing, and so does a second stdio")
    func failures() throws {
        try withTemporaryDirectory { directory in
            let port = try freePort()
            let (child, client) = try Self.start(["-serial", "stdio", "-chardev", "null,id=k0"], directory.path)
            let refused = [
                "chardev-add stdio,id=k1": "Error: cannot use stdio by multiple character devices",
                "chardev-add socket,id=k2,host=127.0.0.1,port=\(port)":
                    "Error: Failed to connect to '127.0.0.1:\(port)': Connection refused",
                "chardev-add socket,id=k3,path=/nosuch/p":
                    "Error: Failed to connect to '/nosuch/p': No such file or directory",
                "chardev-add socket,id=k4,host=,port=4502":
                    "Error: address resolution failed for :4502: Name or service not known",
                "chardev-add socket,id=k5,host=localhost,port=no-such-service,server=on,wait=off":
                    "Error: address resolution failed for localhost:no-such-service: "
                    + "Servname not supported for ai_socktype",
                "chardev-add socket,id=k6,fd=77": "Error: File descriptor '77' is not a socket",
            ]
            let inList = [
                "chardev-add null,id=x,bogus=1": ["Invalid parameter 'bogus'"],
                "chardev-add null,id=k0": ["Duplicate ID 'k0' for chardev"],
                "chardev-add null,id=1x": [
                    "Parameter 'id' expects an identifier",
                    "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
                ],
            ]
            for (command, lines) in inList {
                #expect(try Self.answer(client, command) == lines + ["Error: Parsing chardev args failed"])
            }
            for (command, answer) in refused { #expect(try Self.answer(client, command) == [answer]) }
            #expect(try Self.answer(client, "info chardev").map { $0.prefix(3) } == ["k0:", "com", "ser"])
            // One that connects again and again is accepted, and one that is there already is found at once.
            #expect(try Self.answer(client, "chardev-add socket,id=k3,path=/nosuch/p,reconnect-ms=60000") == [])
            #expect(
                try Self.answer(client, "chardev-add socket,id=k2,host=127.0.0.1,port=\(port),server=on,wait=off") == []
            )
            #expect(try Self.answer(client, "chardev-add socket,id=k4,host=localhost,port=\(port),ipv6=off") == [])
            let taken = "attempt to add duplicate property"
            #expect(try Self.answer(client, "chardev-add null,id=m,mux=on") == [])
            for (id, name) in [("m", "m"), ("m-base", "m-base"), ("k4", "k4")] {
                let answer = ["Error: \(taken) '\(name)' to object (type 'container')"]
                #expect(try Self.answer(client, "chardev-add null,id=\(id)") == answer)
            }
            #expect(try Self.answer(client, "chardev-remove m-base") == ["Error: Chardev 'm-base' is busy"])
            #expect(try Self.answer(client, "chardev-remove m") == [])
            #expect(
                try Self.answer(client, "netdev_add vhost-user,id=n0,chardev=compat_monitor0") == [
                    "chardev 'compat_monitor0' is already in use",
                    "Error: Device 'vhost-user' could not be initialized",
                ])
            try Self.end(child)
        }
    }

    @Test("a piped monitor shows each line once, whole, and goes on when its input ends")
    func piped() throws {
        let netemu = try Peers.built("netemu").require()
        let child = try Child([netemu, "-nic", "none", "-S", "-monitor", "stdio"], input: .pipe)
        for piece in ["info sta", "tus\ninfo ver", "\u{8}", "rsion\n", "info na"] {
            child.write(piece)
            usleep(50_000)
        }
        child.closeInput()
        _ = try child.wait(for: "0.1.0\r\n(netemu) ")
        usleep(100_000)
        #expect(child.status == nil)
        child.signal(15)
        #expect(try child.wait() == .exited(0))
        #expect(
            child.output.replacing("\r\n", with: "\n") == """
                netemu 0.1.0 monitor - type 'help' for more information
                (netemu) info status
                VM status: paused (prelaunch)
                (netemu) info version
                0.1.0
                (netemu)\u{20}
                """)
    }

    @Test("a browser's request executes nothing: the connection is closed", arguments: ["-monitor", "-serial"])
    func request(option: String) throws {
        try withTemporaryDirectory { directory in
            let port = try freePort()
            let (child, client) = try Self.start([option, "tcp:127.0.0.1:\(port),server=on,wait=off"], directory.path)
            let browser = try UnixClient(port: port)
            browser.write("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nquit\nchardev-add null,id=evil\n")
            _ = try browser.readToEnd()
            #expect(try !Self.answer(client, "info chardev").contains { $0.hasPrefix("evil") })
            #expect(child.errors.contains("an HTTP request came instead of a user; the connection is closed"))
            // The next one is a user.
            let user = try UnixClient(port: port)
            _ = try user.ask("help", until: option == "-monitor" ? "quit the emulator" : "ping")
            try Self.end(child)
        }
    }

    @Test("a line of a megabyte is cut at its limit, costs no more bytes than it has, and the monitor lives")
    func longLine() throws {
        try withTemporaryDirectory { directory in
            let port = try freePort()
            let (child, client) = try Self.start(
                ["-monitor", "telnet:127.0.0.1:\(port),server=on,wait=off"], directory.path)
            let typist = try UnixClient(port: port)
            for _ in 0..<256 { typist.write(String(repeating: "a", count: 4096)) }
            #expect(try Self.answer(client, "info status") == ["VM status: running"])
            _ = try typist.ask("\r\ninfo version", until: "\n0.1.0\n(netemu) ", seconds: 60)
            #expect(typist.text.utf8.count < 20_000)
            try Self.end(child)
        }
    }
}
