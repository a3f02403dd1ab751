#if Tracing
    import HTTPTypes
    import Instrumentation

    /// Header fields carry a context from one program to the next.
    struct HTTPFieldsCarrier: Extractor, Injector {
        func extract(key: String, from fields: HTTPFields) -> String? { HTTPField.Name(key).flatMap { fields[$0] } }

        func inject(_ value: String, forKey key: String, into fields: inout HTTPFields) {
            if let name = HTTPField.Name(key) { fields[name] = value }
        }
    }
#endif
