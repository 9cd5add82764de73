// curl against a scripted server: every framing, every way a server can be wrong, and its exit statuses.

import Bytes
import NetStack
import Testing

@testable import GuestNode

/// A server that answers each connection with the next of its scripts.
private final class Server {
    struct Answer {
        /// Sent as pieces, a millisecond apart.
        var pieces: [String]
        var closes = true
        var resets = false

        init(_ pieces: String..., closes: Bool = true, resets: Bool = false) {
            self.pieces = pieces
            self.closes = closes
            self.resets = resets
        }
    }

    var answers: [Answer]
    private(set) var requests: [String] = []
    private var listener: TCPSocketID?
    private var open: [(id: TCPSocketID, request: String, answer: Answer?, next: Instant, isDone: Bool)] = []

    init(_ answers: [Answer]) { self.answers = answers }

    func step(_ host: Host, _ now: Instant) {
        if listener == nil { listener = try? host.tcp.listen(on: 80) }
        if let listener, let id = host.tcp.accept(listener) { open.append((id, "", nil, now, false)) }
        for index in open.indices { serve(index, host, now) }
        open.removeAll { host.tcp.status($0.id) == nil }
    }

    private func serve(_ index: Int, _ host: Host, _ now: Instant) {
        let id = open[index].id
        var room = [UInt8](repeating: 0, count: 4096)
        let count = room.withUnsafeMutableBytes { host.tcp.receive(id, into: $0, now: now).count }
        open[index].request += String(decoding: room[..<count], as: UTF8.self)
        if open[index].answer == nil, open[index].request.hasSuffix("\r\n\r\n") {
            requests.append(open[index].request)
            open[index].answer = answers.isEmpty ? Answer("") : answers.removeFirst()
        }
        guard !open[index].isDone, var answer = open[index].answer, now >= open[index].next else { return }
        if answer.pieces.isEmpty {
            if answer.resets { host.tcp.abort(id, now: now) }
            if answer.closes || answer.resets { host.tcp.release(id, now: now) }
            open[index].isDone = true
            return
        }
        let piece = Array(answer.pieces[0].utf8)
        let sent = piece.withUnsafeBytes { host.tcp.send(id, $0, now: now).count }
        answer.pieces[0] = String(decoding: piece[sent...], as: UTF8.self)
        if answer.pieces[0].isEmpty { answer.pieces.removeFirst() }
        open[index].answer = answer
        open[index].next = now + .milliseconds(1)
    }

    /// When there is a piece to send.
    var nextDeadline: Instant? { open.filter { $0.answer != nil && !$0.isDone }.map(\.next).min() }
}

/// The peer with its server, which has deadlines of its own.
private final class ServerStation: Station {
    let peer: SimulatedPeer
    let server: Server
    init(_ peer: SimulatedPeer, _ server: Server) {
        self.peer = peer
        self.server = server
        peer.behaviour = { host, now in server.step(host, now) }
    }
    func turn(_ now: Instant) -> [[UInt8]] { peer.turn(now) }
    func arrive(_ frame: [UInt8], _ now: Instant) -> Bool { peer.arrive(frame, now) }
    var nextDeadline: Instant? { [peer.nextDeadline, server.nextDeadline].compactMap { $0 }.min() }
}

private struct Bench {
    let node: SimulatedNode
    let server: Server
    let simulation: Simulation

    init(_ answers: Server.Answer...) throws {
        node = try SimulatedNode("node", mac: 1)
        try node.configure("10.0.0.1/24")
        server = Server(answers)
        simulation = Simulation(node, ServerStation(try SimulatedPeer("10.0.0.2/24", mac: 2), server))
        simulation.run(for: .milliseconds(5))
    }

    func run(_ script: String, for limit: Interval = .seconds(300)) -> (output: String, status: Int32?) {
        let session = node.node.run(script: script)
        simulation.run(for: limit) { session.exitStatus != nil }
        // One spare run lets closed connections finish.
        let result = (session.takeOutput(), session.exitStatus)
        return result
    }
}

@Suite("curl")
struct CurlTests {
    @Test("a GET is asked for as RFC 9112 wants it, and its body is printed")
    func get() throws {
        let bench = try Bench(.init("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"))
        let (output, status) = bench.run("curl -H 'X-A: b' http://10.0.0.2/a?b=c")
        #expect(output == "hello\n")
        #expect(status == 0)
        #expect(
            bench.server.requests == [
                "GET /a?b=c HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: curl/8 (netemu)\r\nAccept: */*\r\nConnection: close\r\nX-A: b\r\n\r\n"
            ])
    }

    @Test("a given header takes the place of a usual one")
    func header() throws {
        let bench = try Bench(.init("HTTP/1.1 204 No\r\n\r\n"))
        #expect(bench.run("curl -H 'host: other' 10.0.0.2").status == 0)
        #expect(bench.server.requests.first?.contains("host: other\r\n") == true)
        #expect(bench.server.requests.first?.contains("Host: 10.0.0.2") == false)
    }

    @Test(
        "each framing gives the body, also when it comes in pieces",
        arguments: [
            Server.Answer("HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r", "\nhel", "lo", closes: false),
            .init(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhe", "l\r\n2\r\nlo\r\n0\r\n\r\n",
                closes: false),
            .init("HTTP/1.0 200 OK\r\n\r\nhel", "lo"),
            .init("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", closes: false),
        ])
    private func framings(answer: Server.Answer) throws {
        let bench = try Bench(answer)
        let (output, status) = bench.run("curl -o f --sha256 http://10.0.0.2/")
        #expect(
            output == "received 5 bytes sha256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n")
        #expect(bench.node.files.text("f") == "hello")
        #expect(status == 0)
        #expect(bench.node.files.openCount == 0)
    }

    @Test("a megabyte arrives whole")
    func large() throws {
        let body = String(repeating: "0123456789abcdef", count: 65536)
        let bench = try Bench(.init("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n", body))
        #expect(bench.run("curl -O http://10.0.0.2/dir/big").status == 0)
        #expect(bench.node.files.text("big") == body)
    }

    @Test("-i prints every head: of interim answers, of redirects, of an error with -f")
    func includeAll() throws {
        let moved = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 5\r\n\r\n"
        let (interim, found) = ("HTTP/1.1 100 C\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        let bench = try Bench(.init(moved + "moved"), .init(interim + found + "hi"))
        #expect(bench.run("curl -i -L 10.0.0.2").output == moved + interim + found + "hi")
        let gone = "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n"
        #expect(try Bench(.init(gone + "no")).run("curl -s -f -i 10.0.0.2") == (gone, 22))
        let file = try Bench(.init("HTTP/1.1 200 OK\r\nA: \u{1b}[2J\r\nContent-Length: 0\r\n\r\n"))
        #expect(file.run("curl -i -o f 10.0.0.2; curl -i 10.0.0.2").status == 52)
        #expect(file.node.files.text("f")?.contains("\u{1b}") == true)
        let shown = try Bench(.init("HTTP/1.1 200 OK\r\nA: \u{1b}[2J\r\nContent-Length: 0\r\n\r\n"))
        #expect(shown.run("curl -i 10.0.0.2").output.contains("A: \\027[2J\r\n"))
    }

    @Test("-i gives a pipe the head's bytes as they came: what steers a terminal is escaped at one only")
    func includeToPipe() throws {
        let answer = Server.Answer("HTTP/1.1 200 OK\r\nA: \u{1b}[2J\r\nContent-Length: 2\r\n\r\nhi")
        let bench = try Bench(answer, answer)
        let session = bench.node.node.run(script: "curl -i 10.0.0.2; curl -i 10.0.0.2 >/dev/stderr")
        session.isOnTerminal = false
        bench.simulation.run(for: .seconds(10)) { session.exitStatus != nil }
        let text = session.takeOutput()
        #expect(text.contains("A: \u{1b}[2J\r\n") && text.contains("A: \\027[2J\r\n"), "\(text)")
    }

    @Test("the file of -O has its name from the URL that was typed, wherever redirects lead")
    func typedName() throws {
        let moved = Server.Answer("HTTP/1.1 302 Found\r\nLocation: /Makefile\r\nContent-Length: 0\r\n\r\n")
        let bench = try Bench(moved, .init("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
        #expect(bench.run("curl -L -O http://10.0.0.2/page").status == 0)
        #expect(bench.node.files.contents.keys.sorted() == ["page"])
        #expect(bench.node.files.text("page") == "hi")
        #expect(bench.run("curl -L -O http://10.0.0.2/.bashrc").status == 23)
        #expect(bench.server.requests.count == 2)
    }

    @Test("endless interim answers and endless empty lines are cut off")
    func endlessInterim() throws {
        let interim = String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 3000)
        #expect(try Bench(.init(interim, closes: false)).run("curl 10.0.0.2").status == 56)
        let lines = String(repeating: "\r\n", count: 40_000)
        #expect(try Bench(.init(lines, closes: false)).run("curl 10.0.0.2").status == 56)
    }

    @Test("output that nobody takes is status 23, also when that is known only after the end")
    func lostOutput() throws {
        let answer = Server.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        let bench = try Bench(answer, answer)
        let session = bench.node.node.run(script: "curl 10.0.0.2")
        session.outputLost("No space left on device")
        bench.simulation.run { session.exitStatus != nil }
        #expect(session.exitStatus == 23)
        let late = bench.node.node.run(script: "curl 10.0.0.2")
        bench.simulation.run { late.exitStatus != nil }
        #expect(late.exitStatus == 0)
        late.outputLost("No space left on device")
        #expect(late.exitStatus == 23)
        let other = bench.node.node.run(script: "echo hi; true")
        other.outputLost("Broken pipe")
        bench.simulation.run { other.exitStatus != nil }
        #expect(other.exitStatus == 1)
    }

    @Test("-i prints the head before the body")
    func include() throws {
        let bench = try Bench(.init("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
        #expect(bench.run("curl -i 10.0.0.2").output == "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    }

    @Test("-f makes an error of an error status, and nothing is written")
    func fail() throws {
        let answer = Server.Answer("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
        let bench = try Bench(answer, answer, answer)
        #expect(
            bench.run("curl -f -o f http://10.0.0.2/") == ("curl: (22) The requested URL returned error: 404\n", 22))
        #expect(bench.node.files.contents["f"] == nil)
        #expect(bench.run("curl -sf http://10.0.0.2/") == ("", 22))
        #expect(bench.run("curl http://10.0.0.2/") == ("gone", 0))
    }

    @Test("redirects are followed with -L only, within the limit")
    func redirects() throws {
        func to(_ place: String) -> Server.Answer {
            .init("HTTP/1.1 302 Found\r\nLocation: \(place)\r\nContent-Length: 5\r\n\r\nmoved")
        }
        let end = Server.Answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend")
        #expect(try Bench(to("/x")).run("curl 10.0.0.2") == ("moved", 0))
        let bench = try Bench(to("/x/y?q"), to("z"), end)
        #expect(bench.run("curl -L 10.0.0.2") == ("end", 0))
        #expect(bench.server.requests.map { $0.split(separator: " ")[1] } == ["/", "/x/y?q", "/x/z"])
        #expect(
            try Bench(to("/"), to("/"), to("/")).run("curl -L --max-redirs 2 10.0.0.2")
                == ("curl: (47) Maximum (2) redirects followed\n", 47))
        #expect(try Bench(to("https://h/")).run("curl -L 10.0.0.2").status == 1)
        let blank = try Bench(to("/a b"), end)
        #expect(blank.run("curl -L 10.0.0.2") == ("end", 0))
        #expect(blank.server.requests.last?.hasPrefix("GET /a%20b HTTP/1.1\r\n") == true)
        #expect(try Bench(to("")).run("curl -L 10.0.0.2") == ("moved", 0))
    }

    @Test(
        "a server that is wrong costs curl its own exit status",
        arguments: [
            (.init(""), 52, "Empty reply from server"),
            (.init("HTTP/1.1 200 OK\r\n", resets: true), 56, "Recv failure: Connection reset by peer"),
            (.init("HTTP/1.1 200 OK\r\n"), 56, "Recv failure: the response's head has no end"),
            (
                .init("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell"), 18,
                "transfer closed with 5 bytes remaining to read"
            ),
            (
                .init("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), 18,
                "transfer closed with outstanding read data remaining"
            ),
            (
                .init("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 56,
                "Malformed encoding found in chunked-encoding"
            ),
            (.init("HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n"), 61, "Transfer coding 'br' is not known"),
            (.init("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), 8, "Invalid Content-Length: value 'x'"),
            (.init("HTTP/1.1 200 OK\r\nbroken\r\n\r\n"), 8, "Invalid header line 'broken'"),
            (.init("220 smtp ready\r\n"), 1, "Received HTTP/0.9 when not allowed"),
            (.init("HTTP/1.1 OK\r\n\r\n"), 8, "Invalid status line 'HTTP/1.1 OK'"),
        ] as [(Server.Answer, Int32, String)])
    private func wrong(answer: Server.Answer, status: Int32, text: String) throws {
        let bench = try Bench(answer)
        let result = bench.run("curl -o f 10.0.0.2")
        #expect(result == ("curl: (\(status)) \(text)\n", status))
        #expect(bench.node.files.openCount == 0)
    }

    @Test("an endless head and endless fields are cut off")
    func endless() throws {
        let line = String(repeating: "a", count: 1000)
        let head = (0..<100).map { "X-\($0): \(line)\r\n" }.joined()
        #expect(try Bench(.init("HTTP/1.1 200 OK\r\n" + head, closes: false)).run("curl 10.0.0.2").status == 56)
        let many = String(repeating: "A: b\r\n", count: 300)
        #expect(try Bench(.init("HTTP/1.1 200 OK\r\n\(many)\r\n", closes: false)).run("curl 10.0.0.2").status == 56)
    }

    @Test("time has limits: -m for all, --connect-timeout for connecting")
    func timeouts() throws {
        let slow = try Bench(.init("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", closes: false))
        let before = slow.simulation.now
        #expect(
            slow.run("curl -m 2.5 -o f 10.0.0.2")
                == ("curl: (28) Operation timed out after 2500 milliseconds with 3 bytes received\n", 28))
        #expect(slow.simulation.now.since(before) == .milliseconds(2500))
        let deaf = try Bench()
        deaf.simulation.hand = { _, _ in nil }
        #expect(
            deaf.run("curl --connect-timeout 1 10.0.0.2")
                == ("curl: (28) Connection timed out after 1000 milliseconds\n", 28))
        #expect(deaf.run("curl -m 1 10.0.0.2").status == 28)
    }

    @Test("no server, no host, no URL, no file")
    func beginnings() throws {
        let bench = try Bench(.init("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
        #expect(
            bench.run("curl http://10.0.0.2:81/")
                == ("curl: (7) Failed to connect to 10.0.0.2 port 81: Connection refused\n", 7))
        #expect(bench.run("curl http://nosuch.example/") == ("curl: (6) Could not resolve host: nosuch.example\n", 6))
        #expect(bench.run("curl https://10.0.0.2/").status == 1)
        #expect(bench.run("curl http://10.0.0.2:0/").status == 3)
        #expect(bench.run("curl").status == 2)
        bench.node.files.full = ["f"]
        #expect(bench.run("curl -o f 10.0.0.2") == ("curl: (23) f: No space left on device\n", 23))
        #expect(bench.node.files.openCount == 0)
    }

    @Test("-O wants a name in the URL")
    func remoteName() throws {
        let bench = try Bench(.init("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
        #expect(bench.run("curl -O http://10.0.0.2/dir/").status == 23)
    }

    @Test("Ctrl-C gives socket and file back")
    func interrupt() throws {
        let bench = try Bench(.init("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", closes: false))
        let session = bench.node.node.run(script: "curl -o f 10.0.0.2; echo no")
        bench.simulation.run(for: .seconds(1))
        #expect(session.exitStatus == nil)
        session.input("\u{03}")
        bench.simulation.run(for: .seconds(1)) { session.exitStatus != nil }
        #expect(session.exitStatus == 130)
        #expect(bench.node.files.openCount == 0)
        bench.simulation.run(for: .seconds(200))
        #expect(bench.node.node.host.tcp.table().isEmpty)
    }
}
