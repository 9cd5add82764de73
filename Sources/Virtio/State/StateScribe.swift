// How parts of this room are written down and taken up elsewhere: one function of each says the order for both
// directions, to a scribe that somebody else brings. What the bytes look like is the scribe's business, so this room
// knows no encoding.

/// Writes integers and flags, or reads them in place.
public protocol StateScribe {
    /// Why reading failed.
    associatedtype Failure: Error
    /// Values are replaced by what is read.
    var isReading: Bool { get }
    /// An integer in its own width.
    mutating func integer<T: FixedWidthInteger>(_ value: inout T) throws(Failure)
    /// A truth value.
    mutating func flag(_ value: inout Bool) throws(Failure)
    /// What was read cannot be: why.
    func impossible(_ what: String) -> Failure
}

extension StateScribe {
    /// An integer that, read, must not be above `limit`.
    mutating func integer<T: FixedWidthInteger>(
        _ value: inout T, upTo limit: T, _ name: StaticString
    ) throws(Failure) {
        var read = value
        try integer(&read)
        guard !isReading || read >= 0 && read <= limit else { throw impossible("\(name)") }
        value = read
    }

    /// A count in 32 bits.
    mutating func count(_ value: inout Int, in range: ClosedRange<Int>, _ name: StaticString) throws(Failure) {
        var number = UInt32(clamping: value)
        try integer(&number)
        guard !isReading || range.contains(Int(number)) else { throw impossible("\(name)") }
        value = Int(number)
    }

    /// A flag, and an index when there is one.
    mutating func optional(_ value: inout UInt16?) throws(Failure) {
        var isThere = value != nil
        var number = value ?? 0
        try flag(&isThere)
        try integer(&number)
        value = isThere ? number : nil
    }

    /// While reading: what was read must be so.
    func require(_ isSo: Bool, _ name: @autoclosure () -> String) throws(Failure) {
        if isReading, !isSo { throw impossible(name()) }
    }

    /// What must be the same on both sides: a property of a card, named with both values when it is not.
    mutating func agree<T: FixedWidthInteger>(on property: String, _ here: T) throws(Failure) {
        var there = here
        try integer(&there)
        try require(there == here, "\(property): \(there) there, \(here) here")
    }
}
