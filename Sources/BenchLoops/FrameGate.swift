// `gate frames`: what a frame costs between a driver's queues and a link whose other end sends everything back:
// transmit queue, lend, copy into the receive queue, the driver's receive. No kernel, no clock.

import Link
import Linux
import Virtio

/// A port that keeps what it was sent within the call and sends it back afterwards.
private final class Mirror: FramePort {
    let link: FrameLink
    private let frames = UnsafeMutablePointer<FrameView>.allocate(capacity: 64)
    private let segments = UnsafeMutablePointer<UnsafeRawBufferPointer>.allocate(capacity: 64)
    private let room: UnsafeMutableRawBufferPointer
    private var count = 0

    init(_ link: FrameLink, longest: Int) {
        self.link = link
        room = .allocate(byteCount: 64 * longest, alignment: 64)
        link.connect(self, at: .netdev)
    }

    deinit {
        frames.deallocate()
        segments.deallocate()
        room.deallocate()
    }

    func take(_ sent: UnsafeBufferPointer<FrameView>) -> Int {
        var offset = 0
        for (index, frame) in sent.enumerated() {
            let span = UnsafeMutableRawBufferPointer(rebasing: room[offset..<offset + frame.length])
            frame.copy(from: 0, into: span)
            segments[index] = UnsafeRawBufferPointer(span)
            frames[index] = FrameView(
                segments: UnsafeBufferPointer(start: segments + index, count: 1), length: frame.length)
            offset += frame.length
        }
        count = sent.count
        return sent.count
    }

    func sendBack() {
        _ = link.send(UnsafeBufferPointer(start: frames, count: count), from: .netdev)
        count = 0
    }

    func peerHasRoom() {}
}

/// Both ends of a card in one process.
final class FrameLoop {
    private let device: NetDevice
    private let heap: GuestHeap
    private let mirror: Mirror
    private var transmit: NetTransmitQueue
    private var receive: NetReceiveQueue
    private let turns = Turns()

    /// What is to be done at the end of a turn.
    private final class Turns {
        var work: [() -> Void] = []

        func run() {
            while !work.isEmpty {
                let now = work
                work = []
                for action in now { action() }
            }
        }
    }

    init?(length: Int) {
        guard let memory = try? GuestMemory(size: 16 << 20) else { return nil }
        heap = GuestHeap(memory: memory)
        let turns = turns
        let link = FrameLink { turns.work.append($0) }
        mirror = Mirror(link, longest: length)
        do throws(VirtioError) {
            device = try NetDevice(
                model: NetDeviceModel(mac: MACAddress(0x52, 0x54, 0, 0x12, 0x34, 0x56)), memory: memory)
            let backEnd = FrameBackEnd(on: link) { turns.work.append($0) }
            device.attach(backEnd)
            let features = device.deviceFeatures & FrameBackEnd.offered
            transmit = try NetTransmitQueue(
                NetQueueShape(size: 256, bufferBytes: length, features: features), heap: heap)
            receive = try NetReceiveQueue(NetQueueShape(size: 256, bufferBytes: 2048, features: features), heap: heap)
            start(features)
        } catch { return nil }
    }

    private func start(_ features: UInt64) {
        device.writeStatus([.acknowledge, .driver])
        device.driverFeatures = features
        device.writeStatus([.acknowledge, .driver, .featuresOK])
        for (queue, addresses) in [receive.addresses, transmit.addresses].enumerated() {
            device.queueSelect = UInt16(queue)
            device.queueSize = 256
            device.queueAddresses = addresses
            device.queueEnable = true
        }
        device.writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
        turns.run()
    }

    /// Returns how many frames came back.
    func run(rounds: Int, length: Int) -> Int {
        var frames = 0
        for _ in 0..<rounds {
            let turn = transmit.transmit(limit: 64) { slots in
                for index in slots.indices { slots[index].length = length }
                return slots.count
            }
            if turn.needsKick { device.notify(queue: 1) }
            turns.run()
            mirror.sendBack()
            let received = receive.receive { _ in }
            frames += received.frames
            if received.needsKick { device.notify(queue: 0) }
            _ = receive.rearm()
        }
        return frames
    }

    static let gate = Gate(name: "frames", unit: "frame of 1514 bytes sent and received over a link") {
        FrameLoop(length: 1514)?.run(rounds: 400, length: 1514) ?? 0
    }
}
