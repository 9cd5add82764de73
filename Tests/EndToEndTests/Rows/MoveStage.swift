// A guest that moves between netemus of one host, each with a passt of its own over vhost-user that forwards the same port
// of that host: the second passt can only start when the first has given its connections away.

import Glibc
import TestSupport
import Testing

/// The netemu in which the guest is, the one to which it goes, and what the kernel says of both.
final class MoveStage {
    let ground: Ground
    /// Where the guest is.
    private(set) var here: Session
    /// What the guest's console showed before it came here.
    private(set) var shown = ""
    private var waiting: Session?
    private var peers: [Child] = []
    private var round = 0
    /// Resets that the kernel had sent when the guest began.
    private let resets: Int
    private let more: [String]

    /// Port of the host that passt forwards to the same one of the guest.
    static let forwarded = 18080

    /// Starts the first netemu and waits for the guest's address.
    /// - Parameter more: words of every netemu; `-S` is the first one's only.
    init(_ ground: Ground, more: [String] = []) throws {
        self.ground = ground
        self.more = more.filter { $0 != "-S" }
        resets = ground.namespace.resets.sent
        here = try Self.node(ground, more: more)
        if !more.contains("-S") { try here.waitForLease(seconds: 20) }
    }

    static func node(_ ground: Ground, more: [String] = []) throws -> Session {
        try ground.session(
            words: [
                "-netdev", "passt,id=n,path={passt},vhost-user=on,tcp-ports=\(forwarded)",
                "-device", "virtio-net-pci,netdev=n,id=d0",
            ] + more)
    }

    /// Within half a minute.
    func soon(_ condition: () throws -> Bool) rethrows -> Bool {
        for _ in 0..<600 {
            if try condition() { return true }
            usleep(50_000)
        }
        return false
    }

    // MARK: the host

    /// Starts services of host-peer; they are ended with the namespace.
    func serve(_ services: String...) throws -> Child {
        let peer = try ground.namespace.start([try Peers.built("host-peer").require()] + services)
        try peer.wait(for: "ready")
        peers.append(peer)
        return peer
    }

    /// passt's sockets that are connected to a service of the host.
    func connections(to port: Int) throws -> [SocketLine] { try ground.namespace.sockets("( dport = :\(port) )") }

    /// What the host's services say of connections that are over; waits for so many lines.
    func told(_ peer: Child, lines count: Int = 1) throws -> [Substring] {
        func lines() -> [Substring] {
            // A service that calls may have begun before the last one listens.
            let others = ["ready", "ramp: begins", "ramp: goes on"]
            return peer.output.split(separator: "\n").filter { line in !others.contains { line.hasPrefix($0) } }
        }
        guard soon({ lines().count >= count }) else { throw TestFailure(description: transcript) }
        return lines()
    }

    /// Bytes that the host's services count together; fails if one of them did not end with the end of a file.
    func bytes(_ peer: Child, streams: Int = 1) throws -> Int {
        let lines = try told(peer, lines: streams)
        #expect(lines.allSatisfy { $0.contains(", end of file") }, "\(lines)\n\(transcript)")
        return lines.compactMap(Self.firstNumber).reduce(0, +)
    }

    static func firstNumber(_ line: Substring) -> Int? {
        line.split { $0 == " " || $0 == "," }.lazy.compactMap { Int($0) }.first
    }

    // MARK: the guest

    /// Types a line at the guest's console, when the destination is there already.
    func type(_ line: String) throws {
        try prepare()
        here.console.write(line + "\n")
    }

    /// Types a line, and waits until passt has so many connections that stand: one that is still being opened stays
    /// behind.
    func type(_ line: String, connects count: Int, to port: Int) throws {
        try type(line)
        guard try soon({ try connections(to: port).count { $0.hasCarried } >= count }) else {
            throw TestFailure(description: "\(try connections(to: port).count) connections to \(port)\n\(transcript)")
        }
    }

    /// Until passt has handed a connection from the host on, and something has passed.
    func waitForCaller() throws {
        let filter = "( sport = :\(Self.forwarded) )"
        guard try soon({ try ground.namespace.sockets(filter).contains { $0.hasCarried } }) else {
            throw TestFailure(description: "nobody has called\n\(transcript)")
        }
    }

    /// A line that somebody echoes.
    func converse(_ word: String) throws { try here.converse(word) }

    /// What the tool printed, once it has ended with this status. Its line has to end with ``ends``.
    @discardableResult
    func finish(_ status: Int = 0) throws -> String {
        let text = try here.console.wait(forLine: "finished=", seconds: 60)
        #expect(text.contains("finished=\(status)\n"), "\(text)\n\(transcript)")
        return text
    }

    /// Ends the tool with Ctrl-C; what it printed.
    @discardableResult
    func interrupt() throws -> String {
        here.console.write("\u{3}")
        here.console.write("\(Self.end)\n")
        return try finish(130)
    }

    /// Prints a tool's status; the line that is typed does not show it.
    private static let end = "echo fin''ished=$?"
    /// Behind a command.
    static let ends = "; " + end

    /// How many bytes `ramp` reports.
    func reported(_ text: String) throws -> Int {
        let line = text.split(whereSeparator: \.isNewline).last { $0.contains(" bytes in ") }
        return try #require(line.flatMap(Self.firstNumber), "\(text)\n\(transcript)")
    }

    // MARK: the move

    /// Starts the next netemu.
    func prepare() throws {
        guard waiting == nil else { return }
        round += 1
        waiting = try Self.node(ground, more: ["-incoming", "unix:\(door)"] + more)
        // A debug build on a busy machine sends memory hardly faster than a stream writes it.
        _ = try here.lines("migrate_set_parameter downtime-limit 5000")
    }

    /// Where the next netemu waits.
    var door: String { "\(ground.directory.path)/m\(round)" }

    /// Moves the guest, and ends the netemu in which it was.
    /// - Parameter had: connections that passt had, all of which must have moved.
    func move(had: Int, isPaused: Bool = false) throws {
        try prepare()
        _ = try here.lines("migrate unix:\(door)", seconds: 60)
        try arrive(report: "n: \(had) had, \(had) moved, 0 lost", isPaused: isPaused)
    }

    /// Waits until the guest is at the next netemu, and ends the one in which it was.
    func arrive(report: String, isPaused: Bool = false) throws {
        guard let there = waiting else { return }
        let hasGone = try soon { try here.lines("info status") == ["VM status: paused (postmigrate)"] }
        #expect(hasGone, "\(here.child.transcript)")
        let status = isPaused ? "VM status: paused" : "VM status: running"
        let hasCome = try soon { try there.lines("info status") == [Substring(status)] }
        #expect(hasCome, "\(there.child.transcript)")
        for side in [here, there] {
            let told = try side.lines("info migrate").joined(separator: "\n")
            #expect(told.contains(report), "\(told)\n\(side.child.transcript)")
        }
        try here.quit()
        shown += here.console.text
        (here, waiting) = (there, nil)
    }

    /// Nobody was reset, and the last netemu ends in order.
    func end(isReset: Bool = false) throws {
        let sent = ground.namespace.resets.sent - resets
        #expect(isReset || sent == 0, "\(sent) resets\n\(transcript)")
        for peer in peers { #expect(isReset || !peer.output.contains("reset"), "\(peer.transcript)") }
        try here.quit()
        try waiting?.quit()
        #expect(soon { ground.leftovers == [] }, "\(ground.leftovers)")
    }

    /// For a failure's text.
    var transcript: String {
        let there = waiting.map { "\n\($0.child.transcript)\n\($0.console.text)" } ?? ""
        return "\(here.child.transcript)\n\(shown)\n\(here.console.text)\(there)\n"
            + peers.map(\.transcript).joined(separator: "\n")
    }
}
