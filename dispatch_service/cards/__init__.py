"""Cards: what people see after an action. Text is plain and capped here, whatever it came from.

Above: `actions` and `answers`. Below: the contract's card messages.
"""
