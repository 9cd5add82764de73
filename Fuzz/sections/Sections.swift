// Sections of a node, its host and its card as somebody on a network sends them: whole, or made of real ones by changing
// bytes. Whatever is taken up has to write the same down again after another move, and to work: turns, frames, keys,
// time. What cannot be is refused by an error and never by a trap, and leaves no span of guest memory behind.

import Bytes
import FuzzMain
import Glibc
import GuestNode
import Link
import NetStack
import Virtio

@_cdecl("fuzz_sections_main")
public func main(_ count: CInt, _ words: FuzzWords?) -> CInt {
    let samples = Sample.all
    return fuzzMain(count, words) { input in Attempt(input, samples).run() }
}

/// The sections of a card and its node in the middle of something.
private struct Sample {
    var card: [UInt8]
    var node: [UInt8]

    static var all: [Sample] {
        [
            "ping -c 9 -i 0.2 10.0.0.2", "nc --sha256 --send-bytes 50000 10.0.0.2 7 > f", "nc -l 5000 < f",
            "curl -o f http://10.0.0.2/", "nc -u -w 9 --send-bytes 9000 10.0.0.2 7", "nslookup a.b 10.0.0.2; sleep 1",
            "curl http://10.0.0.2/; sleep 0.5 && echo $?", "ramp send 10.0.0.2 7 90K",
            "ramp check -P 3 -n 9 10.0.0.2 80 2K", "echod 7",
        ].map { take($0) }
    }

    private static func take(_ script: String) -> Sample {
        let stand = Stand()
        stand.start()
        stand.node.run(script: script)
        stand.node.console.input("echo one\recho \u{e9}")
        let peer = Peer()
        for turn in 0..<40 {
            stand.now = stand.now + .milliseconds(turn < 20 ? 200 : 1)
            peer.answer(stand)
        }
        stand.device.suspend {}
        return Sample(card: stand.device.section(now: stand.now), node: stand.node.section(now: stand.now))
    }
}

/// A host at the other end that answers.
private final class Peer {
    private let memory = PeerMemory()
    private let host: Host
    private let eth: InterfaceID
    private var open: [TCPSocketID] = []
    private var listeners: [TCPSocketID] = []

    init() {
        host = Host(hostname: "b", seed: 2, buffers: memory)
        eth = host.addInterface(
            InterfaceConfiguration(name: "eth0", mac: MACAddress(2, 0, 0, 0, 0, 2), dhcp: false))
        let start = Instant(nanoseconds: 0)
        host.setLink(eth, isUp: true, now: start)
        guard let prefix = IPPrefix("10.0.0.2/24") else { abort() }
        try? host.configure(eth, address: prefix, now: start)
        listeners = [7, 80].compactMap { try? host.tcp.listen(on: $0) }
    }

    func answer(_ stand: Stand) {
        for frame in stand.turn() {
            frame.withUnsafeBytes { FrameView.withOneSpan($0) { host.receive($0, on: eth, now: stand.now) } }
        }
        for listener in listeners { if let id = host.tcp.accept(listener) { open.append(id) } }
        for id in open {
            var room = [UInt8](repeating: 0, count: 2000)
            let count = room.withUnsafeMutableBytes { host.tcp.receive(id, into: $0, now: stand.now).count }
            let text = Array("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n".utf8) + room[..<count]
            if count > 0 { _ = text.withUnsafeBytes { host.tcp.send(id, $0, now: stand.now) } }
        }
        host.advance(to: stand.now)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 2000, alignment: 16)
        defer { room.deallocate() }
        var slot = TransmitSlot(room: room)
        while withUnsafeMutablePointer(
            to: &slot,
            { host.transmit(into: UnsafeMutableBufferPointer(start: $0, count: 1), on: eth, now: stand.now) }) == 1
        {
            stand.arrive(Array(room[..<slot.length]))
        }
    }
}

private final class PeerMemory: BufferSource {
    func lend(_ bytes: Int) -> UnsafeMutableRawBufferPointer? { .allocate(byteCount: bytes, alignment: 16) }
    func giveBack(_ span: UnsafeMutableRawBufferPointer) { span.deallocate() }
}

/// Files that are there for everybody.
private final class AnyFiles: FileDoor {
    private(set) var open = 0
    private var next: Int32 = 0
    func open(_ path: String, for use: FileUse) throws(FileError) -> FileToken {
        open += 1
        next &+= 1
        return FileToken(rawValue: next)
    }
    func read(_ file: FileToken, into room: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        room.initializeMemory(as: UInt8.self, repeating: 7)
        return room.count
    }
    func write(_ file: FileToken, _ bytes: UnsafeRawBufferPointer) throws(FileError) -> Int { bytes.count }
    func close(_ file: FileToken) { open -= 1 }
    func place(of file: FileToken) -> MovedFile? { MovedFile(path: "f", use: .append, offset: 3) }
    func reopen(_ file: MovedFile) throws(FileError) -> FileToken { try open(file.path, for: file.use) }
}

/// A node with one card on a link whose other end is the fuzzer's.
private final class Stand: FramePort {
    static let memoryBytes = 1 << 20
    let heap: GuestHeap
    let device: NetDevice
    let node: Node
    let files = AnyFiles()
    var now = Instant(nanoseconds: 1_000_000_000)
    private let link: FrameLink
    private let backEnd: FrameBackEnd
    private var atEnd: [() -> Void] = []
    private var frames: [[UInt8]] = []

    init() {
        guard let memory = try? GuestMemory(size: Self.memoryBytes) else { abort() }
        heap = GuestHeap(memory: memory)
        var model = NetDeviceModel(mac: MACAddress(2, 0, 0, 0, 0, 1))
        (model.receiveQueueSize, model.transmitQueueSize) = (8, 8)
        guard let device = try? NetDevice(model: model, memory: memory) else { abort() }
        self.device = device
        node = Node(NodeConfiguration(heap: heap, hostname: "a", files: files, seed: 1))
        let box = Box()
        link = FrameLink(atEndOfTurn: { box.stand?.atEnd.append($0) })
        backEnd = FrameBackEnd(on: link, atEndOfTurn: { box.stand?.atEnd.append($0) })
        box.stand = self
        link.connect(self, at: .netdev)
        node.attach(device, name: "eth0")
    }

    private final class Box { weak var stand: Stand? }

    func start() {
        device.attach(backEnd)
        guard let prefix = IPPrefix("10.0.0.1/24"), let id = node.host.interfaces().last?.id else { abort() }
        try? node.host.configure(id, address: prefix, now: now)
    }

    func resume() {
        device.attach(backEnd)
        device.resume()
    }

    var capabilities: LinkCapabilities { .plain }
    func peerHasRoom() {}
    func linkChanged(isUp: Bool) {}
    func take(_ lent: UnsafeBufferPointer<FrameView>) -> Int {
        for frame in lent where frames.count < 64 {
            var bytes = [UInt8](repeating: 0, count: frame.length)
            bytes.withUnsafeMutableBytes { _ = frame.copy(from: 0, into: $0) }
            frames.append(bytes)
        }
        return lent.count
    }

    func turn() -> [[UInt8]] {
        for _ in 0..<3 {
            node.turn(now: now)
            let work = atEnd
            atEnd = []
            for action in work { action() }
        }
        defer { frames = [] }
        return frames
    }

    func arrive(_ frame: [UInt8]) {
        frame.withUnsafeBytes { bytes in FrameView.withOneSpan(bytes) { _ = link.send($0, from: .netdev) } }
    }
}

/// One input: which sample, how it is changed or replaced, and what is done with what comes of it.
private final class Attempt {
    private var input: UnsafeBufferPointer<UInt8>
    private var at = 0
    private let samples: [Sample]

    init(_ input: UnsafeBufferPointer<UInt8>, _ samples: [Sample]) { (self.input, self.samples) = (input, samples) }

    private func byte() -> UInt8 {
        guard at < input.count else { return 0 }
        defer { at += 1 }
        return input[at]
    }

    func run() {
        let choice = Int(byte())
        var sample = samples[choice % samples.count]
        switch choice / samples.count % 4 {
        case 0: sample.node = rest()
        case 1: sample.card = rest()
        default: change(&sample)
        }
        let stand = Stand()
        if (try? stand.device.restore(from: sample.card, now: stand.now)) == nil { return }
        if (try? stand.node.restore(from: sample.node, now: stand.now)) == nil {
            guard stand.files.open == 0 else { abort() }
            return
        }
        again(stand)
        use(stand)
    }

    private func rest() -> [UInt8] {
        defer { at = input.count }
        return Array(input[at...])
    }

    /// Bytes at places that the input names; the high bit of the first byte of a place means the card's section.
    private func change(_ sample: inout Sample) {
        for _ in 0..<Int(byte() % 8) + 1 {
            let (high, low, value) = (Int(byte()), Int(byte()), byte())
            if high & 0xc0 == 0xc0 {
                sample.card[((high & 0x3f) << 8 | low) % sample.card.count] = value
            } else {
                sample.node[(high << 8 | low) % sample.node.count] = value
            }
        }
    }

    /// What was taken up is written down, taken up once more, and written down the same.
    private func again(_ stand: Stand) {
        let (card, node) = (stand.device.section(now: stand.now), stand.node.section(now: stand.now))
        let other = Stand()
        do {
            try other.device.restore(from: card, now: other.now)
            try other.node.restore(from: node, now: other.now)
        } catch { fatalError("what was written is not read: \(error)") }
        guard other.device.section(now: other.now) == card, other.node.section(now: other.now) == node else {
            fatalError("what was read is not written again")
        }
    }

    private func use(_ stand: Stand) {
        stand.resume()
        for _ in 0..<12 {
            switch byte() % 6 {
            case 0: stand.now = stand.now + .milliseconds(Int64(byte()))
            case 1: stand.now = stand.now + .seconds(Int64(byte()) * 16)
            case 2: stand.arrive((0..<Int(byte())).map { _ in byte() })
            case 3: stand.node.console.input("\u{1b}[Aip neigh\r")
            case 4: stand.node.script?.input("\u{3}")
            default: _ = stand.node.script?.takeOutput()
            }
            _ = stand.turn()
            _ = stand.node.nextDeadline
        }
    }
}
