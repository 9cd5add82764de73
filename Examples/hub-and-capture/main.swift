// A hub with three links: what one says, the others hear. A capture of one link is written to standard output as
// pcapng, for `tcpdump -r -`.
//
//   swift run example-hub-and-capture | tcpdump -r -

import Bytes
import Glibc
import Link

/// An end of a link that counts what it hears.
final class Listener: FramePort {
    private(set) var frames = 0
    func take(_ lent: UnsafeBufferPointer<FrameView>) -> Int {
        frames += lent.count
        return lent.count
    }
    func peerHasRoom() {}
}

/// Keeps the frames of a link as a capture file.
final class Capture: FrameWatcher {
    private(set) var file = CaptureFormat.pcapng.fileHeader(interface: "eth0", longest: 65536)
    private var time: UInt64 = 0

    func saw(_ frames: UnsafeBufferPointer<FrameView>, from end: LinkEnd) {
        for frame in frames {
            time += 1_000_000
            CaptureFormat.pcapng.appendRecordHeader(
                nanoseconds: time, kept: frame.length, length: frame.length, to: &file)
            for segment in frame.segments { file.append(contentsOf: segment) }
            CaptureFormat.pcapng.appendRecordTrailer(
                kept: frame.length, end == .netdev ? .outbound : .inbound, to: &file)
        }
    }
}

let hub = Hub()
let links = (0..<3).map { _ in FrameLink(atEndOfTurn: { _ in }) }
let listeners = links.map { _ in Listener() }
for (link, listener) in zip(links, listeners) {
    link.connect(listener, at: .netdev)
    _ = hub.addPort(on: link, at: .card)
}
let capture = Capture()
links[2].add(capture)

// An ARP request (RFC 826) from the first link, three times.
var frame = [UInt8](repeating: 0, count: 60)
try frame.withUnsafeMutableBytes { room in
    var writer = ByteWriter(room)
    for word in [0xffff_ffff, 0xffff_0200, 0x0000_0001, 0x0806_0001, 0x0800_0604, 0x0001_0200] as [UInt32] {
        try writer.big(word)
    }
    for word in [0x0000_0001, 0x0a00_0001, 0, 0x0000_0a00, 0x0002_0000] as [UInt32] { try writer.big(word) }
}
for _ in 0..<3 { _ = frame.withUnsafeBytes { FrameView.withOneSpan($0) { links[0].send($0, from: .netdev) } } }
_ = capture.file.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
let heard = "heard on each link: \(listeners.map { "\($0.frames)" }.joined(separator: " "))\n"
_ = Array(heard.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
