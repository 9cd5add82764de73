// A stream of counted bytes from a node's console to a peer that looks at every one. It has no end of its own: whatever
// happens meanwhile, and however long that takes, it is under way.

import Glibc

/// A `ramp send` of a node, and its peer.
public final class CountedStream {
    private static let port = 9100
    private let peer: Child
    private let ground: Ground

    /// Begins it at 500 kB/s, which a peer that looks at every byte keeps up with, and returns when bytes have come: a connection that is still being opened does not move.
    public init(from session: Session, to address: String, on ground: Ground) throws {
        self.ground = ground
        peer = try ground.namespace.start([try Peers.built("host-peer").require(), "ramp:\(Self.port)"])
        try peer.wait(for: "ready")
        session.console.write("ramp send \(address) \(Self.port) 500K\n")
        try wait(pieces: 1)
    }

    /// Pieces of 64 KiB that were right.
    private var progress: Int { peer.output.split(separator: "\n").count { $0.hasPrefix("ramp: goes on") } }

    /// Waits until half a megabyte more has come as it had to.
    public func goOn() throws { try wait(pieces: progress + 8) }

    private func wait(pieces: Int) throws {
        for _ in 0..<6000 {
            if progress >= pieces { return }
            usleep(10_000)
        }
        throw TestFailure(description: "the stream stands still: \(peer.output.suffix(300))")
    }

    /// It goes on, is ended by Ctrl-C at the console where its node is, and everything that was sent has come.
    public func end(at session: Session) throws {
        try goOn()
        session.console.write("\u{3}")
        let said = try session.console.wait(for: ", longest gap ", seconds: 60)
        let words = said.split(whereSeparator: \.isWhitespace)
        let sent = words.lastIndex(of: "sent").flatMap { $0 + 1 < words.count ? words[$0 + 1] : nil } ?? ""
        try peer.wait(for: "ramp: ends at \(sent), end of file\n", seconds: 60)
        ground.namespace.end(peer)
    }
}
