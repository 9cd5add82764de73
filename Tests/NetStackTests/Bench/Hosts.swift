// Hosts ready for a test, and packets built and read in one line.

import Bytes
import Link
import Testing

@testable import NetStack

let macA = MACAddress(0x52, 0x54, 0, 0, 0, 0x0a)
let macB = MACAddress(0x52, 0x54, 0, 0, 0, 0x0b)
let addressA = IPAddress(10, 0, 0, 1)
let addressB = IPAddress(10, 0, 0, 2)
/// The same addresses as IPv4's own formats carry them.
let wireA = IPv4Address(10, 0, 0, 1)
let wireB = IPv4Address(10, 0, 0, 2)

/// A host with one interface that is up and has a fixed address.
struct Station {
    let host: Host
    let eth: InterfaceID
    let buffers: HeapBuffers

    init(_ name: String, _ mac: MACAddress, _ prefix: String?, mtu: Int = 1500, seed: UInt64 = 7) {
        buffers = HeapBuffers()
        host = Host(hostname: name, seed: seed, buffers: buffers)
        eth = host.addInterface(
            InterfaceConfiguration(name: "eth0", mac: mac, mtu: mtu, dhcp: prefix == nil))
        if let prefix, let parsed = IPPrefix(prefix) {
            try? host.configure(eth, address: parsed, now: Instant(nanoseconds: 0))
        }
    }

    var counters: InterfaceCounters {
        host.interfaces().first { $0.id == eth }?.counters ?? InterfaceCounters()
    }
}

/// Two stations on one wire, links up, announcements gone.
struct Pair {
    let wire: HostWire
    let a: Station
    let b: Station

    init(_ faults: WireFaults = WireFaults(), seed: UInt64 = 1, mtu: Int = 1500) {
        wire = HostWire(faults, seed: seed)
        a = Station("a", macA, "10.0.0.1/24", mtu: mtu, seed: seed)
        b = Station("b", macB, "10.0.0.2/24", mtu: mtu, seed: seed &+ 1)
        for station in [a, b] {
            wire.attach(WireEnd(station.host, station.eth))
            station.host.setLink(station.eth, isUp: true, now: wire.now)
        }
        // Probes and announcements take two seconds.
        wire.run(for: .seconds(5))
        wire.forget()
    }
}

/// Bytes of anything that can write itself.
func bytes(_ write: (inout ByteWriter) throws -> Void) -> [UInt8] {
    var room = [UInt8](repeating: 0, count: 66000)
    let count = room.withUnsafeMutableBytes { bytes -> Int in
        var writer = ByteWriter(bytes)
        do { try write(&writer) } catch { Issue.record(error) }
        return writer.offset
    }
    return Array(room[0..<count])
}

/// An Ethernet frame with an IPv4 packet in it.
func ipFrame(
    to mac: MACAddress, from source: MACAddress, _ header: IPv4Header, _ payload: [UInt8]
) -> [UInt8] {
    var header = header
    header.payloadLength = payload.count
    return bytes { writer in
        try EthernetHeader(to: mac, from: source, type: .ipv4).write(to: &writer)
        try header.write(to: &writer)
        try payload.withUnsafeBytes { try writer.copy($0) }
    }
}

/// A UDP datagram with its checksum.
func udpPayload(
    _ source: Endpoint, _ destination: Endpoint, _ data: [UInt8]
) -> [UInt8] {
    var sum = InternetChecksum.pseudoHeader(
        from: source.address, to: destination.address, .udp, length: 8 + data.count)
    var header = UDPHeader(from: source.port, to: destination.port, payloadLength: data.count)
    header.add(to: &sum)
    data.withUnsafeBytes { sum.add($0) }
    header.checksum = sum.checksum
    return bytes { try header.write(to: &$0) } + data
}

func udpFrame(
    to mac: MACAddress, from sourceMAC: MACAddress, _ source: Endpoint, _ destination: Endpoint, _ data: [UInt8]
) -> [UInt8] {
    ipFrame(
        to: mac, from: sourceMAC,
        IPv4Header(from: source.address, to: destination.address, .udp, payloadLength: 0),
        udpPayload(source, destination, data))
}

extension IPv4Header {
    /// A header between the addresses of two stations.
    @_disfavoredOverload
    init(from source: IPAddress, to destination: IPAddress, _ proto: IPProtocol, payloadLength: Int) {
        self.init(
            from: source.v4 ?? .any, to: destination.v4 ?? .any, proto, payloadLength: payloadLength)
    }
}

extension ARPPacket {
    /// A packet between the addresses of two stations.
    @_disfavoredOverload
    init(
        _ operation: Operation, senderMAC: MACAddress, sender: IPAddress,
        targetMAC: MACAddress = MACAddress(rawValue: 0), target: IPAddress
    ) {
        self.init(
            operation, senderMAC: senderMAC, sender: sender.v4 ?? .any, targetMAC: targetMAC, target: target.v4 ?? .any)
    }
}

/// An ICMP message with its checksum.
func icmpPayload(_ header: ICMPHeader, _ data: [UInt8]) -> [UInt8] {
    var sum = InternetChecksum()
    header.add(to: &sum)
    data.withUnsafeBytes { sum.add($0) }
    return bytes { try header.write(to: &$0, checksum: sum.checksum) } + data
}

func arpFrame(to mac: MACAddress, _ packet: ARPPacket) -> [UInt8] {
    bytes { writer in
        try EthernetHeader(to: mac, from: packet.senderMAC, type: .arp).write(to: &writer)
        try packet.write(to: &writer)
    }
}

/// The ARP packet of a frame, if it is one.
func arp(_ frame: [UInt8]) -> ARPPacket? {
    frame.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        guard let ethernet = try? EthernetHeader(&reader), ethernet.type == .arp else { return nil }
        return try? ARPPacket(&reader)
    }
}

/// The IPv4 header and payload of a frame, if it is one.
func ip(_ frame: [UInt8]) -> (header: IPv4Header, payload: [UInt8])? {
    frame.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        guard let ethernet = try? EthernetHeader(&reader), ethernet.type == .ipv4,
            let header = try? IPv4Header(&reader, packetLength: bytes.count - 14),
            let payload = try? reader.span(header.payloadLength)
        else { return nil }
        return (header, Array(payload))
    }
}

/// The UDP datagram of a frame, if it is one.
func udp(_ frame: [UInt8]) -> (header: UDPHeader, source: Endpoint, destination: Endpoint, data: [UInt8])? {
    guard let (header, payload) = ip(frame), header.proto == .udp else { return nil }
    return payload.withUnsafeBytes { bytes in
        var reader = ByteReader(bytes)
        guard let udp = try? UDPHeader(&reader, available: bytes.count),
            let data = try? reader.span(udp.payloadLength)
        else { return nil }
        return (
            udp, Endpoint(IPAddress(header.source), udp.source),
            Endpoint(IPAddress(header.destination), udp.destination), Array(data)
        )
    }
}

extension Host {
    /// All events of an echo session so far.
    func echoEvents(_ id: EchoID) -> [EchoEvent] {
        var events: [EchoEvent] = []
        while let event = nextEchoEvent(id) { events.append(event) }
        return events
    }

    /// The next datagram of a socket with its bytes.
    func readUDP(_ id: UDPSocketID) -> (datagram: UDPDatagram, data: [UInt8])? {
        var room = [UInt8](repeating: 0, count: 65536)
        let datagram = room.withUnsafeMutableBytes { receiveUDP(id, into: $0) }
        return datagram.map { ($0, Array(room[0..<min($0.length, room.count)])) }
    }

    func send(_ id: UDPSocketID, _ data: [UInt8], to remote: Endpoint, now: Instant) throws(HostError) {
        var failure: HostError?
        data.withUnsafeBytes { bytes in
            do throws(HostError) { try sendUDP(id, to: remote, bytes, now: now) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
