// Both ends of a network card in one process: a driver, split rings in guest memory, the device's back-end on a
// link, and an echo at the link's other end. What crosses the rings is counted by both sides.
//
//   swift run example-rings-in-process

import Link
import Virtio

/// The other end of the link: sends each frame back, at the end of the turn.
final class Echo: FramePort {
    private let link: FrameLink
    private(set) var waiting: [[UInt8]] = []
    init(_ link: FrameLink) { self.link = link }

    func take(_ frames: UnsafeBufferPointer<FrameView>) -> Int {
        for frame in frames { waiting.append(frame.segments.flatMap { Array($0) }) }
        return frames.count
    }

    func peerHasRoom() {}

    func answer() {
        while let frame = waiting.first {
            let taken = frame.withUnsafeBytes { FrameView.withOneSpan($0) { link.send($0, from: .netdev) } }
            guard taken == 1 else { return }
            waiting.removeFirst()
        }
    }
}

nonisolated(unsafe) var endOfTurn: [() -> Void] = []
func turn() {
    while !endOfTurn.isEmpty {
        let work = endOfTurn
        endOfTurn = []
        for action in work { action() }
    }
}

let heap = GuestHeap(memory: try GuestMemory(size: 32 << 20))
let device = try NetDevice(model: NetDeviceModel(mac: MACAddress(2, 0, 0, 0, 0, 1)), memory: heap.memory)
let driver = NetDriver(device, heap: heap)
let link = FrameLink(atEndOfTurn: { endOfTurn.append($0) })
let backEnd = FrameBackEnd(on: link, atEndOfTurn: { endOfTurn.append($0) })
let echo = Echo(link)
link.connect(echo, at: .netdev)
device.attach(backEnd)
driver.follow()
print("driver: \(driver.state), features 0x\(String(driver.features, radix: 16))")

var (sent, received, bytes) = (0, 0, 0)
while received < 1000 {
    driver.transmit { slots in
        let count = min(slots.count, 1000 - sent)
        for index in 0..<count {
            slots[index].room[..<14].copyBytes(from: repeatElement(UInt8(sent & 0xff), count: 14))
            slots[index].length = 60 + sent
            sent += 1
        }
        return count
    }
    turn()
    echo.answer()
    turn()
    driver.receive { frames in
        received += frames.count
        for frame in frames { bytes += frame.length }
        return frames.count
    }
    _ = driver.rearm()
}
print("driver: \(sent) frames sent, \(received) received, \(bytes) bytes")
print("device: \(backEnd.transmitCounters.frames) frames taken, \(backEnd.receiveCounters.frames) given")
driver.detach()
print("driver: \(driver.state), \(heap.bytesInUse) bytes of guest memory in use")
