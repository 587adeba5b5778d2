/// Names with values, in an order that is kept: the arguments of a queue, the headers of a message.
///
/// A name may stand there twice, since anybody can send that; who asks for it gets the first, as in RabbitMQ.
package struct FieldTable: Hashable, Sendable {
    package struct Field: Hashable, Sendable {
        package var name: String
        package var value: FieldValue

        package init(name: String, value: FieldValue) {
            self.name = name
            self.value = value
        }
    }

    package var fields: [Field]

    package init(_ fields: [Field] = []) {
        self.fields = fields
    }

    package var isEmpty: Bool { fields.isEmpty }

    /// The value of the first field of this name. Setting it replaces that one, or adds one at the end; with nil all
    /// fields of the name go.
    package subscript(name: String) -> FieldValue? {
        get { fields.first { $0.name == name }?.value }
        set {
            guard let newValue else { return fields.removeAll { $0.name == name } }
            if let index = fields.firstIndex(where: { $0.name == name }) {
                fields[index].value = newValue
            } else {
                fields.append(Field(name: name, value: newValue))
            }
        }
    }
}

extension FieldTable: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, FieldValue)...) {
        fields = elements.map { Field(name: $0.0, value: $0.1) }
    }
}
