// DNS messages (RFC 1035, 4.1): header, questions and the answer section. Authority and additional
// records are not read; nothing here follows aliases or knows servers.

import Bytes

/// Record types that matter to a stub resolver (RFC 1035, 3.2.2).
public struct DNSType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// A: an IPv4 address.
    public static let a = DNSType(rawValue: 1)
    /// CNAME: an alias.
    public static let cname = DNSType(rawValue: 5)
}

/// One question of class IN.
public struct DNSQuestion: Hashable, Sendable {
    /// What is asked about.
    public var name: DNSName
    /// What is asked for.
    public var type: DNSType

    /// Of class IN.
    public init(_ name: DNSName, _ type: DNSType) {
        self.name = name
        self.type = type
    }
}

/// One answer record.
public struct DNSRecord: Hashable, Sendable {
    /// What a record says.
    public enum Value: Hashable, Sendable {
        /// An A record.
        case address(IPv4Address)
        /// A CNAME record.
        case alias(DNSName)
        /// A type or class that is not understood; its data is dropped.
        case other(DNSType)
    }

    /// Whose record it is.
    public var name: DNSName
    /// Seconds the record may be kept.
    public var timeToLive: UInt32
    /// What it says.
    public var value: Value

    /// Of class IN.
    public init(_ name: DNSName, timeToLive: UInt32, _ value: Value) {
        self.name = name
        self.timeToLive = timeToLive
        self.value = value
    }
}

/// A query or a response.
public struct DNSMessage: Hashable, Sendable {
    /// Bytes of a message over UDP without EDNS (RFC 1035, 4.2.1).
    public static let maximumSize = 512
    private static let classIN: UInt16 = 1

    /// Joins question and answer.
    public var id: UInt16
    /// QR.
    public var isResponse: Bool
    /// 0: a standard query.
    public var opcode: UInt8 = 0
    /// TC: there was more than fits.
    public var isTruncated = false
    /// RD.
    public var recursionDesired = true
    /// RA.
    public var recursionAvailable = false
    /// 0 no error, 1 FORMERR, 2 SERVFAIL, 3 NXDOMAIN, 4 NOTIMP, 5 REFUSED.
    public var responseCode: UInt8 = 0
    /// One, in whatever we send.
    public var questions: [DNSQuestion]
    /// The answer section; others are skipped.
    public var answers: [DNSRecord]

    /// A query that wants recursion.
    public init(id: UInt16, query: DNSQuestion) {
        self.id = id
        isResponse = false
        questions = [query]
        answers = []
    }

    /// The response to `query` with `answers`.
    public init(answering query: DNSMessage, _ answers: [DNSRecord], responseCode: UInt8 = 0) {
        self = query
        isResponse = true
        recursionAvailable = true
        self.responseCode = responseCode
        self.answers = answers
    }

    /// Reads a whole message. Questions of another class are refused; a truncated message may end in
    /// the middle of its answers, which is then no error.
    public init(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var reader = ByteReader(bytes)
        id = try reader.field()
        let flags: UInt16 = try reader.field()
        isResponse = flags & 0x8000 != 0
        opcode = UInt8(flags >> 11 & 15)
        isTruncated = flags & 0x0200 != 0
        recursionDesired = flags & 0x0100 != 0
        recursionAvailable = flags & 0x0080 != 0
        responseCode = UInt8(flags & 15)
        let questionCount: UInt16 = try reader.field()
        let answerCount: UInt16 = try reader.field()
        _ = try reader.field(UInt32.self)
        questions = []
        answers = []
        for _ in 0..<questionCount { questions.append(try Self.question(&reader)) }
        for _ in 0..<answerCount {
            do { answers.append(try Self.record(&reader)) } catch {
                if isTruncated { return }
                throw error
            }
        }
    }

    private static func question(_ reader: inout ByteReader) throws(WireError) -> DNSQuestion {
        let name = try DNSName(&reader)
        let type = DNSType(rawValue: try reader.field())
        let kind: UInt16 = try reader.field()
        guard kind == classIN else { throw .invalid(field: .dnsRecord, value: UInt64(kind)) }
        return DNSQuestion(name, type)
    }

    private static func record(_ reader: inout ByteReader) throws(WireError) -> DNSRecord {
        let name = try DNSName(&reader)
        let type = DNSType(rawValue: try reader.field())
        let kind: UInt16 = try reader.field()
        let timeToLive: UInt32 = try reader.field()
        let length = Int(try reader.field(UInt16.self))
        let start = reader.offset
        _ = try reader.bytes(length)
        // Names in the data may point back into the message, so they are read in place.
        var data = ByteReader(reader.bytes, at: start)
        var value = DNSRecord.Value.other(type)
        if kind == classIN, type == .a {
            guard length == 4 else { throw .invalid(field: .dnsRecord, value: UInt64(length)) }
            value = .address(try IPv4Address(wire: &data))
        } else if kind == classIN, type == .cname {
            value = .alias(try DNSName(&data))
            guard data.offset == reader.offset else { throw .invalid(field: .dnsRecord, value: UInt64(length)) }
        }
        return DNSRecord(name, timeToLive: timeToLive, value)
    }

    /// Writes the message without compression. Records of kind `other` are written without data.
    public func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        try writer.big(id)
        var flags: UInt16 = isResponse ? 0x8000 : 0
        flags |= UInt16(opcode & 15) << 11
        flags |= isTruncated ? 0x0200 : 0
        flags |= recursionDesired ? 0x0100 : 0
        flags |= recursionAvailable ? 0x0080 : 0
        flags |= UInt16(responseCode & 15)
        try writer.big(flags)
        try writer.big(UInt16(truncatingIfNeeded: questions.count))
        try writer.big(UInt16(truncatingIfNeeded: answers.count))
        try writer.big(UInt32(0))
        for question in questions {
            try question.name.write(to: &writer)
            try writer.big(question.type.rawValue)
            try writer.big(Self.classIN)
        }
        for answer in answers { try Self.write(answer, to: &writer) }
    }

    private static func write(_ record: DNSRecord, to writer: inout ByteWriter) throws(ByteWriteError) {
        try record.name.write(to: &writer)
        let type: DNSType
        switch record.value {
        case .address: type = .a
        case .alias: type = .cname
        case .other(let other): type = other
        }
        try writer.big(type.rawValue)
        try writer.big(classIN)
        try writer.big(record.timeToLive)
        switch record.value {
        case .address(let address):
            try writer.big(UInt16(4))
            try address.write(to: &writer)
        case .alias(let name):
            try writer.big(UInt16(truncatingIfNeeded: name.size))
            try name.write(to: &writer)
        case .other:
            try writer.big(UInt16(0))
        }
    }
}
