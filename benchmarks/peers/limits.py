def measured_rates(n):
    return None
