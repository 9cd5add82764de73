// Stands between both ends of a migration and hands the stream on, up to a place in it that the test names; there
// nothing more passes in either direction until the test says how it goes on. It knows where messages begin and end
// (docs/migration-format.md) and nothing of what they mean.

import Glibc
import Linux

/// A relay between two unix sockets, on a thread of its own.
public final class MoveRelay: Sendable {
    /// A direction of the connection.
    public enum Way: Int, Sendable { case there, back }

    /// A place in the stream.
    public enum Place: Sendable, Equatable {
        /// Behind so many bytes of a direction; with 0 nothing passes at all.
        case bytes(Way, Int)
        /// So many bytes behind the beginning of the first section.
        case intoSections(Int)
        /// Behind the message of this number in its direction; the preamble is 0.
        case message(Way, Int)
        /// In front of the first message of this kind, which says the direction; behind the one of this number.
        case before(kind: UInt8)
        case behind(kind: UInt8, number: Int)
    }

    /// Where it stands.
    public struct News: Sendable {
        /// The place is reached.
        public internal(set) var isHeld = false
        /// Kinds of the messages that passed whole, by direction; the preamble's is 0.
        public internal(set) var passed: [[UInt8]] = [[], []]
        /// Bytes that passed, by direction.
        public internal(set) var bytes = [0, 0]
        /// Neither end is connected any more.
        public internal(set) var isOver = false
    }

    enum Order { case none, goOn, cut }

    private let state = Guarded((news: News(), order: Order.none))

    /// Listens at `path` at once; connects to `target` as soon as somebody has come.
    public init(at path: String, to target: String, holdAt place: Place?) throws {
        let listener = SharedDescriptor(try UnixSocket.listen(at: path))
        onThread { [self] in
            RelayLoop(listener, to: target, holdAt: place).run { news in
                state.withLock { state in
                    state.news = news
                    defer { state.order = .none }
                    return state.order
                }
            }
            unlink(path)
        }
    }

    public var news: News { state.withLock { $0.news } }

    /// Waits until the place is reached or the connection has ended without it; true when it is reached.
    public func waitForHold(seconds: Double = 30) throws -> Bool {
        for _ in 0..<Int(seconds * 1000) {
            let news = news
            if news.isHeld || news.isOver { return news.isHeld }
            usleep(1000)
        }
        throw TestFailure(description: "the relay: neither the place nor the end within \(seconds) s: \(news)")
    }

    /// Everything passes from now on.
    public func goOn() { state.withLock { $0.order = .goOn } }

    /// Both ends lose their connection, and what is on its way.
    public func cut() { state.withLock { $0.order = .cut } }
}

/// One direction.
private final class RelayLane {
    let way: MoveRelay.Way
    let kinds: ClosedRange<UInt8>
    private var buffer: [UInt8] = []
    /// Bytes that passed.
    private(set) var base = 0
    /// Bytes up to which whole messages are known.
    private var known = 0
    private var ends: [(kind: UInt8, end: Int)] = []
    private(set) var passed: [UInt8] = []
    var place: MoveRelay.Place?
    var limit = Int.max
    var hasEnded = false

    init(_ way: MoveRelay.Way, _ place: MoveRelay.Place?) {
        (self.way, self.place) = (way, place)
        kinds = way == .there ? 1...127 : 128...255
        if case .bytes(way, let count) = place { limit = count }
    }

    var hasRoom: Bool { !hasEnded && buffer.count < 1 << 18 }
    var isAtPlace: Bool { base == limit }
    var isEmpty: Bool { buffer.isEmpty }

    func add(_ bytes: ArraySlice<UInt8>) {
        buffer += bytes
        while findMessage() {}
    }

    /// Learns the length of the next message, as soon as it has said it.
    private func findMessage() -> Bool {
        let first = known - base
        guard buffer.count >= first + 12 else { return false }
        let isPreamble = ends.isEmpty
        let length = isPreamble ? 0 : buffer[(first + 4)..<(first + 8)].reduce(0) { $0 << 8 | Int($1) }
        let kind = isPreamble ? 0 : buffer[first]
        look(at: kind, from: known, to: known + 12 + length)
        known += 12 + length
        ends.append((kind, known))
        return true
    }

    private func look(at kind: UInt8, from start: Int, to end: Int) {
        switch place {
        case .before(kind): limit = min(limit, start)
        case .behind(kind, let number) where ends.count(where: { $0.kind == kind }) + 1 == number: limit = end
        case .message(way, ends.count): limit = end
        case .intoSections(let count) where kind == 5 && !ends.contains { $0.kind == 5 }: limit = start + count
        default: break
        }
    }

    /// What may pass now.
    var due: ArraySlice<UInt8> {
        // A header whose kind is not known yet stays here, unless no more of it comes.
        let most = hasEnded ? limit : min(limit, known)
        return buffer[..<max(0, min(buffer.count, most - base))]
    }

    func sent(_ count: Int) {
        buffer.removeFirst(count)
        base += count
        while passed.count < ends.count, ends[passed.count].end <= base { passed.append(ends[passed.count].kind) }
    }

    func drop() { buffer = [] }

    func release() { (place, limit) = (nil, .max) }
}

/// The relay's own thread.
private final class RelayLoop {
    private let listener: SharedDescriptor
    private let target: String
    private let lanes: [RelayLane]
    private var ends: [SharedDescriptor] = []
    private var news = MoveRelay.News()
    private static let longest = 3000 * 100

    init(_ listener: SharedDescriptor, to target: String, holdAt place: MoveRelay.Place?) {
        (self.listener, self.target) = (listener, target)
        lanes = [RelayLane(.there, place), RelayLane(.back, place)]
    }

    /// - Parameter exchange: takes the news, and gives what is to be done.
    func run(_ exchange: (MoveRelay.News) -> MoveRelay.Order) {
        defer {
            news.isOver = true
            _ = exchange(news)
        }
        // For as long as a test may take, five minutes.
        for _ in 0..<Self.longest {
            switch exchange(news) {
            case .none: break
            case .cut: return
            case .goOn:
                news.isHeld = false
                for lane in lanes { lane.release() }
            }
            if ends.isEmpty { join() } else if news.isHeld { usleep(1000) } else if !turn() { return }
        }
    }

    private func join() {
        var entry = pollfd(fd: listener.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 1) > 0 else { return }
        let raw = accept(listener.raw, nil, nil)
        guard raw >= 0 else { return }
        let source = SharedDescriptor(FileDescriptor(owning: raw))
        for _ in 0..<1000 {
            if let other = try? UnixSocket.connect(to: target) {
                ends = [source, SharedDescriptor(other)]
                return hold()
            }
            usleep(5000)
        }
    }

    /// False when nothing is left to do.
    private func turn() -> Bool {
        var entries = ends.enumerated().map { number, end in
            let wants = (lanes[number].hasRoom ? POLLIN : 0) | (lanes[1 - number].due.isEmpty ? 0 : POLLOUT)
            return pollfd(fd: end.raw, events: Int16(wants), revents: 0)
        }
        poll(&entries, 2, 1)
        for way in 0..<2 { take(way) }
        for way in 0..<2 { hand(way) }
        hold()
        return !lanes.allSatisfy { $0.hasEnded && $0.isEmpty }
    }

    private func take(_ way: Int) {
        guard lanes[way].hasRoom else { return }
        var room = [UInt8](repeating: 0, count: 65_536)
        let count = recv(ends[way].raw, &room, room.count, CInt(MSG_DONTWAIT))
        if count > 0 { return lanes[way].add(room[..<count]) }
        guard count == 0 || errno != EAGAIN else { return }
        lanes[way].hasEnded = true
        if lanes[way].isEmpty { shutdown(ends[1 - way].raw, CInt(SHUT_WR)) }
    }

    private func hand(_ way: Int) {
        let lane = lanes[way]
        let due = lane.due
        guard !due.isEmpty else { return }
        let count = due.withUnsafeBytes {
            send(ends[1 - way].raw, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
        }
        if count > 0 { lane.sent(count) }
        if count < 0, errno != EAGAIN {
            // Nobody reads there any more, and who writes here learns that.
            lane.drop()
            lane.hasEnded = true
            shutdown(ends[way].raw, CInt(SHUT_RD))
        }
        if lane.hasEnded, lane.isEmpty { shutdown(ends[1 - way].raw, CInt(SHUT_WR)) }
    }

    private func hold() {
        news.isHeld = lanes.contains { $0.isAtPlace }
        news.passed = lanes.map(\.passed)
        news.bytes = lanes.map(\.base)
    }
}
